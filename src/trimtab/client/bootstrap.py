"""Where the control plane is and who we are: the standard xDS bootstrap of gRPC (gRFC A27, credentials after A65)."""

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from secrets import token_hex
from types import MappingProxyType
from typing import Any, Self

from ..errors import BootstrapError
from ..model import Locality
from ..xds.discovery import ClientNode
from .keep import Keep, keep_from

FILE_VARIABLE = "GRPC_XDS_BOOTSTRAP"
CONFIG_VARIABLE = "GRPC_XDS_BOOTSTRAP_CONFIG"
ADDRESS_VARIABLE = "TRIMTAB_XDS"
USER_AGENT = "trimtab-python"

_ADDRESS = re.compile(r"([^][:/\s]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_NOTHING = (
    "no control plane is configured. Name it in one of three ways: "
    f"{ADDRESS_VARIABLE}=HOST:PORT in the environment; {FILE_VARIABLE}=PATH (or {CONFIG_VARIABLE}=JSON) with gRPC's xDS "
    "bootstrap; control_plane='HOST:PORT' when the channel is made"
)
_MAKE_ONE = "`trimtab bootstrap grpc --server HOST:PORT` prints one that fits"
_FROM_ENVIRONMENT = {"NAMESPACE": "POD_NAMESPACE", "NODE_NAME": "NODE_NAME", "POD_IP": "POD_IP"}


@dataclass(frozen=True, slots=True)
class TransportSecurity:
    """How to speak to the control plane. Paths of PEM files; None: the system's roots, no client certificate."""

    tls: bool = False
    ca_file: str | None = None
    certificate_file: str | None = None
    private_key_file: str | None = None


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """One xDS server."""

    uri: str
    """A gRPC target, usually `host:port`."""
    security: TransportSecurity = field(default_factory=TransportSecurity)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The control planes there are, the preferred one first, and the node this process presents itself as."""

    servers: tuple[ControlPlane, ...]
    node: ClientNode
    keep: Keep | None = None
    """Where to keep what the control plane says; None: nowhere."""

    @classmethod
    def parse(cls, config: object, where: str, environ: Mapping[str, str]) -> Self:
        """The bootstrap in decoded JSON. Raises BootstrapError with `where` in front."""
        document = _mapping(config, where)
        servers = document.get("xds_servers")
        if not isinstance(servers, list) or not servers:
            raise BootstrapError(f"{where}: xds_servers: expected a list of at least one server, got {servers!r}")
        parsed = tuple(_server(item, f"{where}: xds_servers[{i}]") for i, item in enumerate(servers))
        keep = keep_from(document.get("trimtab"), f"{where}: trimtab", environ)
        return cls(parsed, _node(document.get("node", {}), f"{where}: node", environ), keep)

    @classmethod
    def of_address(cls, address: str, where: str, environ: Mapping[str, str]) -> Self:
        """The bootstrap that a bare `host:port` stands for, without TLS."""
        found = _ADDRESS.fullmatch(address.strip()) if isinstance(address, str) else None
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise BootstrapError(
                f"{where}: expected HOST:PORT, for example 127.0.0.1:18000 or [::1]:18000, got {address!r}"
            )
        return cls((ControlPlane(address.strip()),), default_node(environ), keep_from(None, where, environ))


def find(
    bootstrap: "Bootstrap | Mapping[str, object] | str | os.PathLike[str] | None" = None,
    control_plane: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Bootstrap:
    """The bootstrap that applies: what the caller gave, else the environment. Raises BootstrapError."""
    if bootstrap is not None and control_plane is not None:
        raise BootstrapError("bootstrap and control_plane were both given: they say the same thing, give one of them")
    if isinstance(bootstrap, Bootstrap):
        return bootstrap
    if isinstance(bootstrap, Mapping):
        return Bootstrap.parse(bootstrap, "bootstrap", environ)
    if isinstance(bootstrap, str | os.PathLike):
        return _read(Path(bootstrap), f"bootstrap {os.fspath(bootstrap)}", environ)
    if bootstrap is not None:
        raise BootstrapError(
            f"bootstrap: expected the path of gRPC's xDS bootstrap, or what is in it as a mapping, got {bootstrap!r}"
        )
    if control_plane is not None:
        return Bootstrap.of_address(control_plane, "control_plane", environ)
    return _from_environment(environ)


def _from_environment(environ: Mapping[str, str]) -> Bootstrap:
    # The file wins over the inline text, as in grpc-go and C-core.
    if path := environ.get(FILE_VARIABLE):
        return _read(Path(path), f"{FILE_VARIABLE}={path}", environ)
    if text := environ.get(CONFIG_VARIABLE):
        return Bootstrap.parse(_json(text, CONFIG_VARIABLE), CONFIG_VARIABLE, environ)
    if address := environ.get(ADDRESS_VARIABLE):
        return Bootstrap.of_address(address, ADDRESS_VARIABLE, environ)
    raise BootstrapError(_NOTHING)


def _read(path: Path, where: str, environ: Mapping[str, str]) -> Bootstrap:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BootstrapError(f"{where}: cannot be read: {reason}. Point it at a JSON file") from error
    return Bootstrap.parse(_json(text, where), where, environ)


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise BootstrapError(f"{where}: is nested too deep to be an xDS bootstrap. {_MAKE_ONE}") from None
    except ValueError as error:
        raise BootstrapError(f"{where}: is not JSON: {error}. {_MAKE_ONE}") from error


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BootstrapError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BootstrapError(f"{where}: expected a string, got {value!r}")
    return value


def _server(value: object, where: str) -> ControlPlane:
    server = _mapping(value, where)
    uri = _text(server.get("server_uri"), f"{where}.server_uri")
    if not uri:
        raise BootstrapError(f"{where}.server_uri: expected HOST:PORT, got an empty string")
    return ControlPlane(uri, _security(server.get("channel_creds"), f"{where}.channel_creds"))


def _security(value: object, where: str) -> TransportSecurity:
    """The first kind of credentials that we support, as gRPC does."""
    if not isinstance(value, list) or not value:
        raise BootstrapError(f'{where}: expected a list such as [{{"type": "insecure"}}], got {value!r}')
    kinds = []
    for index, item in enumerate(value):
        entry = _mapping(item, f"{where}[{index}]")
        kind = _text(entry.get("type"), f"{where}[{index}].type")
        if kind == "insecure":
            return TransportSecurity()
        if kind == "tls":
            return _tls(_mapping(entry.get("config", {}), f"{where}[{index}].config"), f"{where}[{index}].config")
        kinds.append(kind)
    raise BootstrapError(f"{where}: Trimtab supports the types insecure and tls, got only {', '.join(kinds)}")


def _tls(config: Mapping[str, Any], where: str) -> TransportSecurity:
    def path(key: str) -> str | None:
        return _text(config[key], f"{where}.{key}") if key in config else None

    certificate, key = path("certificate_file"), path("private_key_file")
    if (certificate is None) is not (key is None):
        raise BootstrapError(f"{where}: certificate_file and private_key_file go together, only one is given")
    return TransportSecurity(True, path("ca_certificate_file"), certificate, key)


def _node(value: object, where: str, environ: Mapping[str, str]) -> ClientNode:
    node, default = _mapping(value, where), default_node(environ)
    locality = _mapping(node.get("locality", {}), f"{where}.locality")
    metadata = _mapping(node.get("metadata", {}), f"{where}.metadata")
    strings = {key: item for key, item in metadata.items() if isinstance(item, str)}
    return ClientNode(
        id=_text(node.get("id", default.id), f"{where}.id"),
        cluster=_text(node.get("cluster", ""), f"{where}.cluster"),
        locality=Locality(
            *(_text(locality.get(key, ""), f"{where}.locality.{key}") for key in ("region", "zone", "sub_zone"))
        ),
        user_agent=default.user_agent,
        user_agent_version=default.user_agent_version,
        metadata=MappingProxyType({**default.metadata, **strings}),
    )


def default_node(environ: Mapping[str, str]) -> ClientNode:
    """Who we are by what Kubernetes' downward API usually provides."""
    name = environ.get("POD_NAME") or socket.gethostname()
    metadata = {key: environ[variable] for key, variable in _FROM_ENVIRONMENT.items() if environ.get(variable)}
    return ClientNode(
        id=f"{name}-{_process_suffix(os.getpid())}",
        user_agent=USER_AGENT,
        user_agent_version=_version(),
        metadata=MappingProxyType(metadata),
    )


@cache
def _process_suffix(pid: int) -> str:
    """Tells the processes of one pod apart, forked ones too."""
    return token_hex(4)


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("trimtab")
    except PackageNotFoundError:
        return ""
