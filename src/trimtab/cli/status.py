"""`trimtab status`."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from ..control.status import ClientStatus, Problems, Status, TypeStatus
from ..errors import AdminError, ServeError, ServiceNotFound, TargetError
from .admin_client import DEFAULT_ADMIN, ask
from .listen_address import ListenAddress
from .output import ago, console, fail, plain, print_json, table

_CLIENTS_SHOWN = 5
_STYLES = {"acked": "green", "waiting": "yellow", "nacked": "red", "never asked": "dim"}
_VERSION_SHOWN = 8
_REPAIRS_SHOWN = 3
"""Of one service; `trimtab endpoints` shows all."""


def status(
    *,
    service: str = "",
    namespace: str = "default",
    admin: Annotated[str, Parameter(env_var="TRIMTAB_ADMIN")] = DEFAULT_ADMIN,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Show who is connected to a control plane, how far each client has followed, and what is wrong.

    Parameters
    ----------
    service
        Show only clients that follow the endpoints of this service, by any form of its name.
    namespace
        Where a bare service name is looked up.
    admin
        Where the control plane's admin port is, HOST:PORT.
    as_json
        Print one JSON object instead of tables.
    """
    try:
        query = {"service": service, "namespace": namespace}
        answer = ask(ListenAddress.parse(admin, "--admin"), "/debug/status", Status, **query)
    except (ServeError, TargetError) as error:
        fail("status", error, code=2)
    except (AdminError, ServiceNotFound) as error:
        fail("status", error, code=1)
    if as_json:
        print_json(answer)
    else:
        _print(answer)


def _print(answer: Status) -> None:
    out = console()
    out.print(_headline(answer))
    for problem in _sentences(answer.problems):
        out.print(Text(plain(problem), style="red"))
    if not answer.clients:
        return
    types = list(dict.fromkeys(short for client in answer.clients for short in client.types))
    clients = table("client", "kind", "version", "zone", "connected", *types)
    for client in answer.clients:
        clients.add_row(*_row(client), *(_cell(client.types.get(short)) for short in types))
    out.print()
    out.print(clients)


def _headline(answer: Status) -> str:
    if answer.not_ready is not None:
        return f"trimtab {answer.version}: not ready: {answer.not_ready}"
    age = answer.last_change_age_s
    changed = "" if age is None else f", last change {ago(age)} ago"
    return (
        f"trimtab {answer.version}: service ports {answer.service_ports}, endpoints {answer.endpoints}, "
        f"clients {len(answer.clients)}{changed}"
    )


def _sentences(problems: Problems) -> Iterator[str]:
    for service, why in sorted(problems.refused_assignments.items()):
        yield f"{service}: endpoints refused, the last good ones stay: {why}"
    for service, repairs in sorted(problems.repaired_assignments.items()):
        more = f"; and {len(repairs) - _REPAIRS_SHOWN} more" if len(repairs) > _REPAIRS_SHOWN else ""
        yield f"{service}: endpoints repaired before they were published: {'; '.join(repairs[:_REPAIRS_SHOWN])}{more}"
    for _, why in sorted(problems.rejected_policies.items()):
        yield f"policy rejected, the last good one stays: {why}"
    yield from problems.source
    for service, clients in sorted(problems.unplaced_clients.items()):
        more = f" and {len(clients) - _CLIENTS_SHOWN} more" if len(clients) > _CLIENTS_SHOWN else ""
        yield (
            f"{service}: it keeps calls on their Node (internalTrafficPolicy: Local), and of these clients that Node is not known, so they "
            f"are told of no endpoint: {', '.join(clients[:_CLIENTS_SHOWN])}{more}; give them NODE_NAME or POD_IP in their bootstrap"
        )


def _row(client: ClientStatus) -> tuple[str, ...]:
    return (client.node or client.peer, client.kind, client.version or "-", client.zone or "-", ago(client.age_s))


def _cell(state: TypeStatus | None) -> Text:
    if state is None:
        return Text("never asked", style=_STYLES["never asked"])
    return Text(_words(state), style=_STYLES[state.state])


def _words(state: TypeStatus) -> str:
    if state.state == "acked":
        return f"acked {state.version[:_VERSION_SHOWN]} {ago(state.age_s)} ago"
    if state.state == "waiting":
        return f"waiting {ago(state.age_s)}"
    if state.state == "nacked":
        return f"NACKED {ago(state.age_s)} ago: {plain(state.error)}"
    return "never asked"
