"""Which endpoints of a service take calls, as far as its slices say."""

from collections.abc import Iterable, Mapping

import msgspec

from ..kubernetes import Conditions, EndpointSlice, SliceEndpoint

Identity = tuple[str, str, tuple[tuple[str, int | None], ...]]
"""Address, Pod and ports: the same address may belong to the next Pod, and a Pod may be in a slice per port."""
Usable = Mapping[Identity, tuple[EndpointSlice, SliceEndpoint]]
HELD_SUFFIX = " (held)"
"""No name in Kubernetes has a space: nothing real is ever called so."""
_DRAINING = Conditions(ready=False, serving=True, terminating=True)


def usable(slices: Iterable[EndpointSlice]) -> dict[Identity, tuple[EndpointSlice, SliceEndpoint]]:
    """The endpoints of `slices` that take calls: ready, or terminating and still serving."""
    found = {}
    for part in slices:
        ports = _ports(part)
        for endpoint in part.endpoints or ():
            conditions = endpoint.conditions
            # As `takes_calls` and `identity` have it, for those that are ready: asked for every endpoint of every change.
            if conditions is None or conditions.ready is not False:
                target = endpoint.target_ref
                found[endpoint.addresses[0], target.uid if target is not None else "", ports] = (part, endpoint)
            elif takes_calls(conditions):
                found[identity(endpoint, ports)] = (part, endpoint)
    return found


def takes_calls(conditions: Conditions | None) -> bool:
    """Whether an endpoint in this state takes calls (EndpointConditions, discovery/v1)."""
    if conditions is None or conditions.ready is not False:
        return True
    return bool(conditions.terminating) and conditions.serving is not False


def identity(endpoint: SliceEndpoint, ports: tuple[tuple[str, int | None], ...]) -> Identity:
    """What makes it the same endpoint, whatever slice it is in."""
    return (endpoint.addresses[0], endpoint.target_ref.uid if endpoint.target_ref else "", ports)


def with_demoted(slices: Mapping[str, EndpointSlice], lost: Usable) -> dict[str, EndpointSlice]:
    """`slices` by name, with every endpoint in `lost` as if it were terminating and still served: in use when no other is."""
    seen: set[Identity] = set()
    view = {name: _demote(part, lost, seen) for name, part in slices.items()}
    for key, (origin, endpoint) in lost.items():
        if key not in seen:
            name = _place(origin, view)
            part = view.get(name) or msgspec.structs.replace(
                origin, metadata=msgspec.structs.replace(origin.metadata, name=name), endpoints=[]
            )
            demoted = msgspec.structs.replace(endpoint, conditions=_DRAINING)
            view[name] = msgspec.structs.replace(part, endpoints=[*(part.endpoints or ()), demoted])
    return view


def _demote(part: EndpointSlice, lost: Usable, seen: set[Identity]) -> EndpointSlice:
    ports = _ports(part)
    endpoints = []
    for endpoint in part.endpoints or ():
        key = identity(endpoint, ports)
        if key in lost:
            seen.add(key)
            endpoint = msgspec.structs.replace(endpoint, conditions=_DRAINING)
        endpoints.append(endpoint)
    return msgspec.structs.replace(part, endpoints=endpoints)


def _place(origin: EndpointSlice, view: Mapping[str, EndpointSlice]) -> str:
    """The slice an endpoint goes back to: its own, or one of its own making if that is gone or has other ports by now."""
    name = origin.metadata.name
    there = view.get(name)
    return name if there is not None and _ports(there) == _ports(origin) else f"{name}{HELD_SUFFIX}"


def _ports(part: EndpointSlice) -> tuple[tuple[str, int | None], ...]:
    return tuple((port.name or "", port.port) for port in part.ports or ())
