"""What happens when in a scenario, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .event import AnyEvent, Event, Fail, Outage, Roll, Slow
from .scenario import Scenario


@dataclass(frozen=True, slots=True)
class Happening:
    """A moment of the measured time, and everything that happens in it."""

    at_s: float
    what: str


def happenings(scenario: Scenario) -> Sequence[Happening]:
    """Every moment in which something begins or ends, in order of time."""
    moments: dict[float, list[str]] = {}
    for event in scenario.events:
        for at_s, what in _told(event):
            moments.setdefault(at_s, []).append(what)
    return [Happening(at_s, ", ".join(moments[at_s])) for at_s in sorted(moments)]


def _told(event: AnyEvent) -> Iterator[tuple[float, str]]:
    where = "" if not isinstance(event, Event) else event.pods or (f"zone {event.zone}" if event.zone else "")
    match event:
        case Slow():
            what = f"{event.factor:g}× slower"
        case Fail():
            what = f"{event.share:.0%} fail"
        case Roll():
            what = "deploy begins"
        case Outage():
            what = "control plane away"
        case _:
            what = type(event).__name__.lower()
    yield event.at_s, f"{where} {what}".strip()
    until_s = getattr(event, "until_s", None)
    if until_s is not None:
        yield until_s, f"{where} {what}: over".strip()
