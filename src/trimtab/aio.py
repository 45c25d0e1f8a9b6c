"""Trimtab for asyncio: `trimtab.aio.channel` is a drop-in for `grpc.aio.insecure_channel` and `secure_channel`."""

import os
from collections.abc import Mapping, Sequence

import grpc
import grpc.aio

from .balance import Recorder
from .client.aio_channel import AioChannel
from .client.attributes import attributes
from .client.bootstrap import Bootstrap
from .client.connection_options import Option
from .client.service import described
from .model import Policy

__all__ = ["AioChannel", "attributes", "channel"]


def channel(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[Option] | None = None,
    compression: grpc.Compression | None = None,
    interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
    policy: Policy | None = None,
    bootstrap: Bootstrap | Mapping[str, object] | str | os.PathLike[str] | None = None,
    control_plane: str | None = None,
    authority: str | None = None,
    recorder: Recorder | None = None,
    fallback: str | None = None,
) -> AioChannel:
    """A `grpc.aio.Channel` that picks one of the service's endpoints for every call.

    `target` names a Kubernetes service, such as `xds:///payments.prod:8080`. The control plane is `control_plane`
    (`host:port`), else `bootstrap` (an xDS bootstrap: path or decoded JSON), else what the environment says:
    `GRPC_XDS_BOOTSTRAP`, `GRPC_XDS_BOOTSTRAP_CONFIG` or `TRIMTAB_XDS`. `authority` stands in for the service's name as
    `:authority` and as the name that TLS certificates are verified against.

    Calls are balanced by `policy`, else as the control plane says, which may change while the channel lives. `recorder` is told of
    every call; `trimtab.recorders` has those for Prometheus and OpenTelemetry.

    `fallback` is what plain gRPC is to dial, such as `dns:///payments.prod:8080`, when no control plane could be reached for five
    seconds; the channel returns as soon as one tells it of the service.

    Raises TargetError, BootstrapError or PolicyError, TypeError for an argument of another type, TypeError or ValueError for an option
    that gRPC does not take: outside of a running loop that comes with the first call.
    """
    service, common = described(
        target, credentials, options, compression, policy, bootstrap, control_plane, authority, recorder, fallback
    )
    return AioChannel(service, common, tuple(interceptors or ()))
