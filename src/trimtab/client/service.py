"""What the arguments of `trimtab.channel` and `trimtab.aio.channel` mean."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc

from ..balance import Recorder
from ..errors import PolicyError, TargetError
from ..model import Policy, ServiceRef
from . import bootstrap as bootstraps
from .bootstrap import Bootstrap
from .connection_options import ConnectionOptions, Option, connection_options


@dataclass(frozen=True, slots=True)
class Service:
    """Which service, found where, balanced how."""

    name: str
    bootstrap: Bootstrap
    policy: Policy | None = None
    """None: as the control plane says."""
    recorder: Recorder | None = None
    fallback: str | None = None
    """What plain gRPC dials while no control plane was ever reached."""


def described(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    options: Sequence[Option] | None,
    compression: grpc.Compression | None,
    policy: Policy | None,
    bootstrap: Bootstrap | Mapping[str, object] | str | os.PathLike[str] | None,
    control_plane: str | None,
    authority: str | None,
    recorder: Recorder | None = None,
    fallback: str | None = None,
) -> tuple[Service, ConnectionOptions]:
    """The service to balance and the options of its connections.

    Raises TargetError, BootstrapError or PolicyError, TypeError for what is of a wrong type.
    """
    _check(policy, recorder, fallback)
    name = str(ServiceRef.parse(target))
    found = bootstraps.find(bootstrap, control_plane)
    common = connection_options(target, authority, options, credentials, compression)
    return Service(name, found, policy, recorder, fallback), common


def _check(policy: object, recorder: object, fallback: object) -> None:
    """What is of a wrong type is refused here, not by the first call or in another thread."""
    if not isinstance(policy, Policy | None):
        raise PolicyError(
            f"policy: expected a trimtab.Policy, such as Policy(strategy='p2c'), got {policy!r}; "
            "Policy.from_mapping makes one of a mapping"
        )
    if not isinstance(fallback, str | None):
        raise TargetError(
            f"fallback: expected what plain gRPC is to dial, such as 'dns:///payments.prod:8080', got {fallback!r}"
        )
    if not isinstance(recorder, Recorder | None):
        raise TypeError(
            f"recorder: expected an object with the methods of trimtab.balance.Recorder, got {recorder!r}; "
            "trimtab.recorders has some"
        )
