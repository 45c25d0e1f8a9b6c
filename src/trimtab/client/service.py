"""What the arguments of `trimtab.channel` and `trimtab.aio.channel` mean."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc

from ..balance import Recorder
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
    """The service to balance and the options of its connections. Raises TargetError or BootstrapError."""
    name = str(ServiceRef.parse(target))
    found = bootstraps.find(bootstrap, control_plane)
    connections = connection_options(target, authority, options, credentials, compression)
    return Service(name, found, policy, recorder, fallback), connections
