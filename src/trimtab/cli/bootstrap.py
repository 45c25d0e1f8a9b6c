"""`trimtab bootstrap grpc` and `trimtab bootstrap envoy`: what a client must be given to find the control plane."""

import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from cyclopts import App, Parameter

from ..errors import ServeError
from .client_tls import ClientTls, envoy_secrets, transport_socket
from .envoy_bootstrap import envoy_bootstrap
from .listen_address import ListenAddress

app = App(
    name="bootstrap", help="Print the bootstrap of an xDS client: where the control plane is, and who the client is."
)

Servers = Annotated[tuple[str, ...], Parameter(name="--server", consume_multiple=False, negative=())]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the client is. What is not given is taken from the environment, as Kubernetes' downward API sets it."""

    node_id: Annotated[str | None, Parameter(env_var="POD_NAME")] = None
    """What the control plane calls this client; else POD_NAME, else the host's name."""
    namespace: Annotated[str | None, Parameter(env_var="POD_NAMESPACE")] = None
    """Where bare service names are looked up; else POD_NAMESPACE, else default."""
    node_name: Annotated[str | None, Parameter(env_var="NODE_NAME")] = None
    """The Kubernetes Node it runs on, which tells its zone; else NODE_NAME."""
    pod_ip: Annotated[str | None, Parameter(env_var="POD_IP")] = None
    """The address of its Pod, which tells its zone where the Node is not known; else POD_IP."""
    region: str | None = None
    """Where it runs, if Kubernetes cannot tell."""
    zone: str | None = None
    """Where it runs, if Kubernetes cannot tell."""
    sub_zone: str | None = None
    """Where it runs, if Kubernetes cannot tell."""

    def node(self, cluster: str) -> dict[str, Any]:
        """The `node` of a bootstrap (`envoy.config.core.v3.Node`), without what is not known."""
        metadata = {"NAMESPACE": self.namespace, "NODE_NAME": self.node_name, "POD_IP": self.pod_ip}
        locality = {"region": self.region, "zone": self.zone, "sub_zone": self.sub_zone}
        return {
            "id": self.node_id or socket.gethostname(),
            "cluster": cluster,
            "metadata": _known(metadata),
            # Even if nothing is known: grpc-js takes no node without it.
            "locality": _known(locality),
        }


Who = Annotated[Identity | None, Parameter(name="*")]
Tls = Annotated[ClientTls | None, Parameter(name="*")]


@app.command
def grpc(*, server: Servers, identity: Who = None, security: Tls = None) -> None:
    """Print the bootstrap of gRPC's own xDS resolver, for GRPC_XDS_BOOTSTRAP.

    Parameters
    ----------
    server
        Where the control plane is, HOST:PORT. Given several times: the others are fallbacks, in this order.
    """
    servers, creds = _servers(server), _checked(security).channel_creds()
    _print(
        {
            "xds_servers": [{"server_uri": str(one), "channel_creds": creds} for one in servers],
            "node": (identity or Identity()).node(cluster=""),
        }
    )


@app.command
def envoy(
    *,
    server: Servers,
    admin: str = "127.0.0.1:9901",
    listen: str | None = None,
    on_demand: Annotated[bool, Parameter(negative=())] = False,
    into: Path | None = None,
    identity: Who = None,
    security: Tls = None,
) -> None:
    """Print the bootstrap of an Envoy that knows every service as a cluster.

    Parameters
    ----------
    server
        Where the control plane is, HOST:PORT. Given several times: any of them will do.
    admin
        Where Envoy's admin interface listens, HOST:PORT. Whoever reaches it can stop Envoy.
    listen
        Also listen there, HOST:PORT, and send each request to the service that its Host or :authority names.
    on_demand
        Know only the services that requests name, from the first such request on. Needs --listen.
    into
        Folder to write to in place of printing: envoy.json, and with TLS a file for each secret beside it, by which Envoy takes
        up certificates that are renewed. It is named in envoy.json, so Envoy must see it under the same name.
    """
    if on_demand and listen is None:
        _fail("--on-demand: it is requests that demand; say with --listen where they come in")
    servers, tls = _servers(server), _checked(security)
    document = envoy_bootstrap(
        servers,
        _address(admin, "--admin"),
        (identity or Identity()).node(cluster="trimtab"),
        None if listen is None else _address(listen, "--listen"),
        on_demand=on_demand,
        transport_socket=transport_socket(tls, servers, into),
    )
    if into is None:
        _print(document)
    else:
        _write(into, {**envoy_secrets(tls), "envoy.json": document})


def _known(values: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _servers(given: tuple[str, ...]) -> list[ListenAddress]:
    return [_address(one, "--server") for one in given]


def _checked(security: ClientTls | None) -> ClientTls:
    try:
        (security := security or ClientTls()).check()
    except ServeError as error:
        _fail(error)
    return security


def _address(text: str, option: str) -> ListenAddress:
    try:
        return ListenAddress.parse(text, option)
    except ServeError as error:
        _fail(error)


def _fail(error: object) -> NoReturn:
    sys.stderr.write(f"trimtab bootstrap: {error}\n")
    raise SystemExit(2)


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _write(folder: Path, documents: dict[str, dict[str, Any]]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents.items():
            (folder / name).write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        _fail(f"--into: cannot write to {folder}: {error.strerror or error}")
