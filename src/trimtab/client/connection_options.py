"""How a connection to one endpoint is made, in both worlds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import grpc
from grpc.experimental import ChannelOptions

from ..balance import Connectivity
from ..model import Endpoint
from ..model.target import ServiceRef, strip_scheme

Option = tuple[str, object]

_DEFAULTS: tuple[Option, ...] = (
    # Endpoints are Pods: back within seconds or gone. gRPC's defaults wait up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # An endpoint is addressed by IP inside the cluster: a proxy meant for the outside must not catch it.
    ("grpc.enable_http_proxy", 0),
    # Connections are opened ahead of need, and so are not given up for lack of it.
    ("grpc.client_idle_timeout_ms", 0x7FFFFFFF),
)

_CONNECT_TIMEOUT = "grpc.min_reconnect_backoff_ms"
"""How long one attempt to connect may take, whatever its name says."""

_STATES = {
    grpc.ChannelConnectivity.IDLE: Connectivity.IDLE,
    grpc.ChannelConnectivity.CONNECTING: Connectivity.CONNECTING,
    grpc.ChannelConnectivity.READY: Connectivity.READY,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE: Connectivity.TRANSIENT_FAILURE,
}
_FROM_GRPC = {**_STATES, grpc.ChannelConnectivity.SHUTDOWN: Connectivity.TRANSIENT_FAILURE}
_TO_GRPC = {ours: theirs for theirs, ours in _STATES.items()}

_AUTHORITY = "grpc.default_authority"
_VERIFIED = "grpc.ssl_target_name_override"
_SERVICE_CONFIG = "grpc.service_config"
_ROUND_ROBIN = '{"loadBalancingConfig": [{"round_robin": {}}]}'
"""Where gRPC balances itself, over what DNS says. Its default would stay with the first address."""
_NOWHERE = "ipv4:127.0.0.1:1"
"""What is never connected to."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """What the connections of one channel have in common."""

    options: tuple[Option, ...]
    credentials: grpc.ChannelCredentials | None = None
    compression: grpc.Compression | None = None

    def within(self, connect_timeout_s: float) -> tuple[Option, ...]:
        """The options of a connection of which an attempt may take so long, unless the user said something else."""
        if any(name == _CONNECT_TIMEOUT for name, _ in self.options):
            return self.options
        return (*self.options, (_CONNECT_TIMEOUT, int(connect_timeout_s * 1000)))

    def to(self, endpoint: Endpoint, connect_timeout_s: float) -> tuple[Option, ...]:
        """The options of a connection to this endpoint, of which an attempt may take so long."""
        options = self.within(connect_timeout_s)
        if endpoint.port or any(name == _SERVICE_CONFIG for name, _ in options):
            return options
        return (*options, (_SERVICE_CONFIG, _ROUND_ROBIN))

    def dial(self, target: str, options: tuple[Option, ...]) -> grpc.Channel:
        """grpc's own channel to one address, for threads."""
        if self.credentials is None:
            return grpc.insecure_channel(target, options, self.compression)
        return grpc.secure_channel(target, self.credentials, options, self.compression)

    def try_out(self) -> None:
        """Let gRPC see the options before the first connection is made, in a loop where nobody would hear of it.

        Raises TypeError or ValueError for an option that gRPC does not take.
        """
        for option in self.options:
            try:
                self.dial(_NOWHERE, (option,)).close()
            except Exception as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"options: gRPC does not take {option!r}: {error}") from error

    @property
    def verified_name(self) -> str | None:
        """The name that certificates are verified against; None: TLS is not spoken."""
        if self.credentials is None:
            return None
        given = dict(self.options)
        name = given.get(_VERIFIED) or given[_AUTHORITY]
        return _host(name.decode(errors="replace") if isinstance(name, bytes) else str(name))


def connection_options(
    target: str,
    authority: str | None,
    options: Sequence[Option] | None,
    credentials: grpc.ChannelCredentials | None,
    compression: grpc.Compression | None,
) -> ConnectionOptions:
    """The user's options over ours: what the user sets wins, down to `grpc.default_authority`.

    Raises TypeError for what is of a wrong type. What gRPC makes of an option's value, `ConnectionOptions.try_out` asks.
    """
    _check_types(authority, credentials, compression)
    pairs = _pairs(options)
    merged = dict(_DEFAULTS)
    merged[_AUTHORITY] = service_authority(target)
    # Such a stream does not say that it ended unless somebody reads it to its end: it would be counted for ever.
    given = tuple(option for option in pairs if option[0] != ChannelOptions.SingleThreadedUnaryStream)
    if authority is not None:
        given += ((_AUTHORITY, authority),)
    names = dict(given)
    if (verified := names.get(_VERIFIED)) is not None:
        # As gRPC does where no authority is set: it refuses calls for another host than the one it verified.
        merged[_AUTHORITY] = verified
    ours = tuple((name, value) for name, value in merged.items() if name not in names)
    return ConnectionOptions(ours + given, credentials, compression)


def _check_types(authority: object, credentials: object, compression: object) -> None:
    if not isinstance(authority, str | None):
        raise TypeError(f"authority: expected a host's name, such as 'payments.example', got {authority!r}")
    if not isinstance(credentials, grpc.ChannelCredentials | None):
        raise TypeError(
            f"credentials: expected those of grpc.ssl_channel_credentials() or the like, got {credentials!r}"
        )
    # An enumeration of integers, of which gRPC takes the bare ones too.
    if not isinstance(compression, int | None):
        raise TypeError(f"compression: expected a grpc.Compression, such as grpc.Compression.Gzip, got {compression!r}")


def _pairs(options: object) -> tuple[Option, ...]:
    expected = "options: expected a sequence of pairs, such as ('grpc.keepalive_time_ms', 30000), got"
    if not isinstance(options, Iterable | None):
        raise TypeError(f"{expected} {options!r}")
    pairs = tuple(options or ())
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str | bytes)):
            raise TypeError(f"{expected} {pair!r} among them")
    return pairs


def _host(authority: str) -> str:
    """Without the port, which is no matter of certificates."""
    host, _, port = authority.rpartition(":")
    return host if port.isdigit() and (":" not in host or host.endswith("]")) else authority


def service_authority(target: str) -> str:
    """The authority of a target: the service's name as the user wrote it, without a port's name and without a label."""
    name = strip_scheme(target).partition("/")[0]
    port = ServiceRef.parse(target).port
    return name if port is None or port.isdigit() else name.partition(":")[0]


def grpc_target(endpoint: Endpoint) -> str:
    """The endpoint's address as a gRPC target that needs no resolving, unless it is one that does."""
    if not endpoint.port:
        return endpoint.address
    family = "ipv6" if endpoint.authority.startswith("[") else "ipv4"
    return f"{family}:{endpoint.authority}"


def from_grpc(state: grpc.ChannelConnectivity) -> Connectivity:
    """gRPC's word for a connection's state in ours."""
    return _FROM_GRPC[state]


def to_grpc(state: Connectivity) -> grpc.ChannelConnectivity:
    """Our word for a connection's state in gRPC's."""
    return _TO_GRPC[state]
