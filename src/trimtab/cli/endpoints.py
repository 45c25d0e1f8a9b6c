"""`trimtab endpoints`."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from ..control.endpoints_report import EndpointsReport
from ..control.inspection import ServiceReport
from ..errors import AdminError, ServeError, ServiceNotFound, TargetError
from .admin_client import DEFAULT_ADMIN, ask
from .listen_address import ListenAddress
from .output import console, fail, plain, print_json, table

_PROBLEMS_SHOWN = 3
_NUMBERS = frozenset({"priority", "weight", "share", "endpoints", "port", "healthy", "draining", "clients"})


def endpoints(
    service: str | None = None,
    /,
    *,
    from_zone: str = "",
    namespace: str = "default",
    admin: Annotated[str, Parameter(env_var="TRIMTAB_ADMIN")] = DEFAULT_ADMIN,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Show which endpoints of a service clients are told about, and why; without a service, which services there are.

    Parameters
    ----------
    service
        Any form of its name: payments.prod:8080, payments.prod:grpc, payments.prod, payments; with /shard=7 at its end only
        the endpoints whose Pods have that label.
    from_zone
        Show what clients of this zone are told; without it, those whose zone is unknown.
    namespace
        Where a bare service name is looked up.
    admin
        Where the control plane's admin port is, HOST:PORT.
    as_json
        Print JSON instead of tables.
    """
    try:
        address = ListenAddress.parse(admin, "--admin")
        if service is None:
            _show_services(ask(address, "/debug/services", list[ServiceReport]), as_json)
            return
        query = {"service": service, "zone": from_zone, "namespace": namespace}
        report = ask(address, "/debug/endpoints", EndpointsReport, **query)
    except (ServeError, TargetError) as error:
        fail("endpoints", error, code=2)
    except (AdminError, ServiceNotFound) as error:
        fail("endpoints", error, code=1)
    if as_json:
        print_json(report)
    else:
        _print(report, console())


def _show_services(services: list[ServiceReport], as_json: bool) -> None:
    if as_json:
        print_json(services)
        return
    listed = table("service", "healthy", "draining", "zones", "clients", "version", "refused", right=_NUMBERS)
    for report in services:
        listed.add_row(
            report.service,
            str(report.healthy),
            str(report.draining),
            _counts(report.zones),
            str(sum(report.clients.values())),
            report.version,
            report.refused or "-",
        )
    console().print(listed)


def _print(report: EndpointsReport, out: Console) -> None:
    others = ", ".join(name for name in report.names if name != report.service)
    out.print(f"{report.service}{f', also known as {others}' if others else ''}")
    out.print(
        f"version {report.version} for clients of {f'zone {report.from_zone}' if report.from_zone else 'unknown zone'}"
    )
    out.print(f"weights follow {report.weights_follow}")
    out.print(f"subscribers by zone: {_counts(report.clients)}")
    out.print(f"each of them goes to {report.where}", style="yellow" if report.by_dns else "")
    if report.part:
        out.print(f"and uses {report.part}")
    if report.shards:
        out.print(f"endpoints by shard: {_counts(report.shards)}")
    if report.fallback_problem is not None:
        out.print(f"REFUSED: {report.fallback_problem}", style="red")
    if report.policy:
        out.print(f"policy: {', '.join(f'{name}: {value}' for name, value in report.policy.items())}")
    if report.refused is not None:
        out.print(f"REFUSED, the last good endpoints stay: {report.refused}", style="red")
    for repair in report.repairs:
        out.print(f"repaired: {repair}", style="yellow")
    _print_endpoints(report, out)
    _print_left_out(report, out)
    _print_slices(report, out)


def _print_endpoints(report: EndpointsReport, out: Console) -> None:
    listed = table(
        "priority",
        "of all calls",
        "locality",
        "weight",
        "share",
        "endpoint",
        "health",
        "pod",
        "node",
        "slice",
        "shard",
        right=_NUMBERS | {"of all calls"},
    )
    for group in report.localities:
        part = f"{group.priority_share:.0%}"
        place = (str(group.priority), part, group.locality, str(group.weight), f"{group.share:.1%}")
        for endpoint in group.endpoints:
            addresses = " ".join((endpoint.address, *endpoint.additional_addresses))
            source = endpoint.slice or (f"fallback {endpoint.origin}" if endpoint.origin else "- (last good state)")
            origin = (endpoint.pod or "-", endpoint.node or "-", source, endpoint.shard or "-")
            listed.add_row(*place, addresses, endpoint.health, *origin)
            place = ("", "", "", "", "")
    if report.localities:
        out.print()
        out.print(listed)
        for kind, when in report.unreachable.items():
            out.print(f"{kind}: endpoints that it cannot reach move calls to the next priority {when}")
    elif not report.by_dns:
        out.print()
        out.print("no endpoints: every call fails", style="red")


def _print_left_out(report: EndpointsReport, out: Console) -> None:
    if not report.left_out:
        return
    listed = table("left out", "pod", "slice", "why")
    for item in report.left_out:
        listed.add_row(item.address, item.pod or "-", item.slice, item.why)
    out.print()
    out.print(listed)


def _print_slices(report: EndpointsReport, out: Console) -> None:
    if not report.slices:
        if not report.by_dns:
            _print_no_slices(report, out)
        return
    listed = table("slice", "address type", "endpoints", "port", right=_NUMBERS)
    for source in report.slices:
        port = "none of that name" if source.port is None else str(source.port)
        listed.add_row(source.slice, source.address_type, str(source.endpoints), port)
    out.print()
    out.print(listed)


def _print_no_slices(report: EndpointsReport, out: Console) -> None:
    out.print("there is no EndpointSlice for this service", style="red")
    problems = report.source_problems
    if not problems:
        return
    out.print("unless one could not be used; what is wrong with the source:", style="red")
    for problem in problems[:_PROBLEMS_SHOWN]:
        out.print(Text(f"  {plain(problem)}", style="red"))
    if len(problems) > _PROBLEMS_SHOWN:
        out.print(f"  and {len(problems) - _PROBLEMS_SHOWN} more, all in `trimtab status`", style="red")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{zone or 'unknown'} {count}" for zone, count in sorted(counts.items())) or "none"
