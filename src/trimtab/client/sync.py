"""`trimtab.channel`."""

import os
from collections.abc import Mapping, Sequence

import grpc

from ..balance import Recorder
from ..model import Policy
from .bootstrap import Bootstrap
from .channel import SyncChannel
from .connection_options import Option
from .service import described


def channel(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[Option] | None = None,
    compression: grpc.Compression | None = None,
    policy: Policy | None = None,
    bootstrap: Bootstrap | Mapping[str, object] | str | os.PathLike[str] | None = None,
    control_plane: str | None = None,
    authority: str | None = None,
    recorder: Recorder | None = None,
    fallback: str | None = None,
) -> SyncChannel:
    """A `grpc.Channel` that picks one of the service's endpoints for every call.

    `target` names a Kubernetes service, such as `xds:///payments.prod:8080`. The control plane is `control_plane`
    (`host:port`), else `bootstrap` (an xDS bootstrap: path or decoded JSON), else what the environment says:
    `GRPC_XDS_BOOTSTRAP`, `GRPC_XDS_BOOTSTRAP_CONFIG` or `TRIMTAB_XDS`. `authority` stands in for the service's name as
    `:authority` and as the name that TLS certificates are verified against. Interceptors go around it with
    `grpc.intercept_channel`, as around any channel.

    Calls are balanced by `policy`, else as the control plane says, which may change while the channel lives. `recorder` is told of
    every call; `trimtab.recorders` has those for Prometheus and OpenTelemetry.

    `fallback` is what plain gRPC is to dial, such as `dns:///payments.prod:8080`, when no control plane could be reached for five
    seconds; the channel returns as soon as one tells it of the service.

    Raises TargetError, BootstrapError or PolicyError, TypeError for an argument of another type, TypeError or ValueError for an option
    that gRPC does not take.
    """
    service, common = described(
        target, credentials, options, compression, policy, bootstrap, control_plane, authority, recorder, fallback
    )
    return SyncChannel(service, common)
