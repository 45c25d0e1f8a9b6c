"""Scenarios from YAML, with errors that name the field."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import msgspec
import yaml

from ..errors import ScenarioError
from .event import Crash, Event, Fail, Hang, Outage, Slow
from .scenario import Contestant, Scenario

_SHIPPED = files(__package__) / "scenarios"


def shipped() -> tuple[str, ...]:
    """Names of the scenarios that come with Trimtab."""
    names = (entry.name for entry in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def load(name: str) -> Scenario:
    """The shipped scenario of that name, or the one in that file. Raises ScenarioError."""
    if name in shipped():
        return parse((_SHIPPED / f"{name}.yaml").read_text("utf-8"), name)
    path = Path(name)
    if not path.is_file():
        raise ScenarioError(f"{name}: neither a file nor a scenario of Trimtab; there are {', '.join(shipped())}")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{name}: cannot be read: {error}") from error
    return parse(text, name)


def parse(text: str, source: str) -> Scenario:
    """The scenario in `text`; `source` is what errors call it. Raises ScenarioError."""
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{source}: not YAML: {error}") from error
    try:
        scenario = msgspec.convert(plain, Scenario, strict=True)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {_readable(error)}") from error
    check(scenario, source)
    return scenario


def check(scenario: Scenario, source: str, *, events: str = "events") -> None:
    """What one field cannot say about another. `events` is what errors call these. Raises ScenarioError."""
    problems = (
        *_group_problems(scenario),
        *_request_problems(scenario),
        *_network_problems(scenario),
        *_event_problems(scenario, events),
        *_contender_problems(scenario),
        *_published_problems(scenario),
    )
    for problem in problems:
        raise ScenarioError(f"{source}: {problem}")


def twice(contestants: Sequence[str | Contestant]) -> str | None:
    """The first name that two contenders have; None: each has its own."""
    names = Counter(one if isinstance(one, str) else one.name for one in contestants)
    return next((name for name, count in names.items() if count > 1), None)


def _readable(error: msgspec.ValidationError) -> str:
    # msgspec writes "what - at `$.path`", and no path for the top; the place is what the eye looks for first.
    what, _, place = str(error).partition(" - at `$")
    return f"{place.rstrip('`').lstrip('.') or 'the file'}: {what}"


def _group_problems(scenario: Scenario) -> "list[str]":
    problems = []
    names = [group.name for group in scenario.pods]
    if len(set(names)) < len(names):
        problems.append("pods: two groups have the same name")
    placed = [(f"pods[{index}]", pods.zones, pods.count) for index, pods in enumerate(scenario.pods)]
    placed += [(f"clients[{index}]", clients.zones, clients.count) for index, clients in enumerate(scenario.clients)]
    for path, zones, count in placed:
        if zones and sum(zones.values()) != count:
            problems.append(f"{path}.zones: the numbers add up to {sum(zones.values())}, but count is {count}")
    for index, pods in enumerate(scenario.pods):
        ages_s = [point.age_s for point in pods.cold_start.curve] if pods.cold_start else []
        if ages_s and (ages_s[0] != 0 or len(ages_s) < 2 or ages_s != sorted(set(ages_s))):
            problems.append(
                f"pods[{index}].cold_start.curve: expected two points or more, the first at age_s 0, in order"
            )
    for index, clients in enumerate(scenario.clients):
        given = [clients.requests_per_s, clients.utilisation, clients.users]
        if sum(value is not None for value in given) != 1:
            problems.append(f"clients[{index}]: give exactly one of requests_per_s, utilisation, users")
        if clients.users is not None and clients.load:
            problems.append(f"clients[{index}].load: users send as fast as they get answers; give a rate instead")
        if [step.at_s for step in clients.load] != sorted({step.at_s for step in clients.load}):
            problems.append(f"clients[{index}].load: steps must come in order of at_s")
    return problems


def _request_problems(scenario: Scenario) -> "list[str]":
    places = [(f"requests[{index}]", kind.service_time) for index, kind in enumerate(scenario.requests)]
    for number, clients in enumerate(scenario.clients):
        places += [
            (f"clients[{number}].requests[{index}]", kind.service_time) for index, kind in enumerate(clients.requests)
        ]
    places += [(f"pods[{i}]", pods.service_time) for i, pods in enumerate(scenario.pods) if pods.service_time]
    return [
        f"{path}.service_time.quantiles_ms: {problem}"
        for path, service_time in places
        if service_time.distribution == "quantiles"
        for problem in _quantile_problems(service_time.quantiles_ms)
    ]


def _network_problems(scenario: Scenario) -> "list[str]":
    between = scenario.network.between_ms
    known = {zone for pods in scenario.pods for zone in pods.zones}
    known |= {zone for clients in scenario.clients for zone in clients.zones}
    named = dict.fromkeys(zone for here, others in between.items() for zone in (here, *others))
    return [
        *(
            f"network.between_ms: there is no zone {zone!r}; there are {', '.join(sorted(known)) or 'none'}"
            for zone in named
            if zone not in known
        ),
        *(
            f"network.between_ms.{here}.{here}: within a zone it is same_zone_ms"
            for here, others in between.items()
            if here in others
        ),
    ]


def _contender_problems(scenario: Scenario) -> Iterator[str]:
    for index, one in enumerate(scenario.contenders):
        if isinstance(one, Contestant) and one.use is not None and one.policy:
            yield f"contenders[{index}]: give either use or policy; a policy is Trimtab's"
    if (name := twice(scenario.contenders)) is not None:
        yield f"contenders: two are called {name!r}; give one of them another name"


def _published_problems(scenario: Scenario) -> "list[str]":
    names = {contestant if isinstance(contestant, str) else contestant.name for contestant in scenario.contenders}
    return [
        f"published[{index}].{field}: there is no contender {name!r} in this scenario"
        for index, published in enumerate(scenario.published)
        for field, name in (("contender", published.contender), ("than", published.than))
        if name is not None and name not in names
    ]


def _quantile_problems(quantiles_ms: dict[str, float]) -> "list[str]":
    try:
        points = [(float(share), value) for share, value in quantiles_ms.items()]
    except ValueError:
        return ["keys are shares of requests such as '0', '0.5', '1'"]
    shares, values = [share for share, _ in points], [value for _, value in points]
    if len(points) < 2 or shares[0] != 0 or shares[-1] != 1 or any(not math.isfinite(share) for share in shares):
        return ["the first share is '0' and the last '1'"]
    if shares != sorted(set(shares)) or values != sorted(values):
        return ["shares and values must grow"]
    return []


def _event_problems(scenario: Scenario, events: str) -> Iterator[str]:
    groups = {group.name for group in scenario.pods}
    for index, event in enumerate(scenario.events):
        path = f"{events}[{index}]"
        until_s = event.until_s if isinstance(event, Slow | Fail | Hang | Crash | Outage) else None
        if until_s is not None and until_s <= event.at_s:
            yield f"{path}.until_s: must be after at_s"
        if isinstance(event, Event) and event.pods is not None and event.pods not in groups:
            yield f"{path}.pods: there is no group {event.pods!r}; there are {', '.join(sorted(groups))}"
        elif isinstance(event, Event):
            yield from _whom_problems(scenario, event, path)
        if isinstance(event, Hang) and scenario.timeout_s is None:
            yield f"{path}: without timeout_s a request to a hanging pod would never end"
        if event.at_s >= scenario.duration_s:
            yield f"{path}.at_s: at {event.at_s:g} s all is over; duration_s is {scenario.duration_s:g}"


def _whom_problems(scenario: Scenario, event: Event, path: str) -> Iterator[str]:
    """Whether there are the pods to which an event happens."""
    groups = [group for group in scenario.pods if event.pods in (None, group.name)]
    zones = {zone for group in groups for zone, count in group.zones.items() if count}
    if event.zone is not None and event.zone not in zones:
        whose = f" with pods of {event.pods}" if event.pods is not None else ""
        yield f"{path}.zone: there is no zone {event.zone!r}{whose}; there are {', '.join(sorted(zones)) or 'none'}"
        return
    meant = sum(group.count if event.zone is None else group.zones.get(event.zone, 0) for group in groups)
    if event.first is not None and event.first > meant:
        yield f"{path}.first: expected at most {meant}, as many as there are, got {event.first}"
