"""How the contenders find a pod for a request. Each client opens one channel, as a service would."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc.aio

from .. import aio
from ..model import Policy
from . import shop
from .scenario import COLD, SLOW_START, SLOW_START_S, WARM

_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # or clients in one process would share connections
    ("grpc.enable_http_proxy", 0),
)
_ROUND_ROBIN: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a client can see when it starts."""

    client: int
    seed: int
    endpoints: Sequence[str]
    """The pods there are at the start, `address:port` each."""
    control_plane: str | None
    """Where the control plane listens; None for contenders that use none."""


def _kube_proxy(around: Surroundings) -> grpc.aio.Channel:
    """What kube-proxy's iptables rules do to gRPC: a new connection goes to a pod drawn at random and stays there."""
    pod = random.Random(f"{around.seed}/connection/{around.client}").choice(around.endpoints)
    return grpc.aio.insecure_channel(f"ipv4:{pod}", options=_OPTIONS)


def _round_robin(around: Surroundings) -> grpc.aio.Channel:
    """grpcio's own round_robin over the addresses known at the start.

    A headless Service over DNS comes to the same: grpcio resolves again only after a disconnect, so pods that join
    are not found (grpc/grpc#30015).
    """
    options = (*_OPTIONS, ("grpc.service_config", _ROUND_ROBIN))
    return grpc.aio.insecure_channel(f"ipv4:{','.join(around.endpoints)}", options=options)


def _trimtab(around: Surroundings) -> grpc.aio.Channel:
    """Trimtab's channel to the service's name."""
    return aio.channel(shop.TARGET, control_plane=around.control_plane, options=_OPTIONS)


def _slow_starting(around: Surroundings) -> grpc.aio.Channel:
    """The same, with a policy that gives new pods their share little by little."""
    policy = Policy(slow_start_s=SLOW_START_S)
    return aio.channel(shop.TARGET, control_plane=around.control_plane, options=_OPTIONS, policy=policy)


CONTENDERS: Final[dict[str, Callable[[Surroundings], grpc.aio.Channel]]] = {
    "kube-proxy": _kube_proxy,
    "round-robin": _round_robin,
    "trimtab": _trimtab,
    COLD: _trimtab,
    SLOW_START: _slow_starting,
    WARM: _slow_starting,
}
