"""What the arguments of `trimtab.channel` and `trimtab.aio.channel` mean."""

import os
from collections.abc import Mapping, Sequence

import grpc

from ..balance import Recorder
from ..model import Policy, ServiceRef
from . import bootstrap as bootstraps
from .bootstrap import Bootstrap
from .cluster import Service
from .connection_options import ConnectionOptions, Option, connection_options


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
) -> tuple[Service, ConnectionOptions]:
    """The service to balance and the options of its connections. Raises TargetError or BootstrapError."""
    name = str(ServiceRef.parse(target))
    found = bootstraps.find(bootstrap, control_plane)
    connections = connection_options(target, authority, options, credentials, compression)
    return Service(name, found, policy, recorder), connections
