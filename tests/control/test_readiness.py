"""Since when endpoints are ready, across changes and restarts."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from trimtab.control.catalog import Catalog
from trimtab.control.kubernetes import TRIGGERED_ANNOTATION
from trimtab.control.readiness import LONGEST_RAMP_S, Earlier, Readiness
from trimtab.model import ServiceRef
from trimtab.xds.version import assignment_version

PAYMENTS = ServiceRef("payments", "prod", "8080")


class Life:
    """A control plane from its start on, and a clock."""

    def __init__(self, now: float, earlier: Earlier | None = None) -> None:
        self.now = now
        self.readiness = Readiness(lambda: self.now)
        self.readiness.remember(earlier or {})
        self.catalog = Catalog(self.readiness)
        self.catalog.apply([service()], [])

    def ready(self, *pods: str, triggered: str = "") -> None:
        item = endpoint_slice(*(endpoint(f"10.0.0.{ord(name)}", ready=True, pod=name) for name in pods))
        annotations = {TRIGGERED_ANNOTATION: triggered} if triggered else None
        metadata = msgspec.structs.replace(item.metadata, annotations=annotations)
        self.catalog.apply([msgspec.structs.replace(item, metadata=metadata)], [])

    @property
    def since(self) -> Mapping[str, float | None]:
        port = self.catalog.get(PAYMENTS)
        assert port is not None
        return {found.hostname: found.ready_since for _, found in port.assignment.endpoints()}


def test_what_is_there_at_first_is_not_new_and_what_comes_later_is() -> None:
    life = Life(1000.0)
    life.ready("a", "b")
    life.now = 1010.0
    life.ready("a", "b", "c")
    assert life.since == {"a": None, "b": None, "c": 1010.0}


def test_what_was_gone_and_is_back_is_new() -> None:
    life = Life(1000.0)
    life.ready("a", "b")
    life.ready("a")
    life.now = 1010.0
    life.ready("a", "b")
    assert life.since == {"a": None, "b": 1010.0}


def test_dates_survive_a_restart_and_what_came_meanwhile_is_new() -> None:
    life = Life(1000.0)
    life.ready("a")
    life.now = 1010.0
    life.ready("a", "b")
    assert life.readiness.young() == {"uid-b": 1010.0}
    life = Life(1030.0, {"uid-a": None, "uid-b": 1010.0})
    life.ready("a", "b", "c")
    assert life.since == {"a": None, "b": 1010.0, "c": 1030.0}


def test_of_a_service_that_nobody_remembers_nothing_is_new() -> None:
    life = Life(1030.0, {"uid-of-others": None})
    life.ready("a")
    assert life.since == {"a": None}


def test_what_has_been_ready_for_a_day_is_not_worth_remembering() -> None:
    life = Life(1000.0)
    life.ready("a")
    life.ready("a", "b")
    life.now += LONGEST_RAMP_S
    life.ready("a", "b", "c")
    assert life.readiness.young().keys() == {"uid-c"}


def test_dates_are_no_part_of_the_version() -> None:
    early, late = Life(1000.0), Life(2000.0)
    for life in (early, late):
        life.ready("a")
        life.ready("a", "b")
    mine, theirs = (life.catalog.get(PAYMENTS) for life in (early, late))
    assert mine is not None
    assert theirs is not None
    assert early.since != late.since
    assert assignment_version(mine.assignment) == assignment_version(theirs.assignment)


def at(seconds: float) -> str:
    """As the controllers write it (RFC3339Nano)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "000Z")


def test_replicas_that_see_a_change_at_different_times_date_it_the_same() -> None:
    early, late = Life(1000.0), Life(1001.5)
    for life in (early, late):
        life.ready("a")
        life.now += 10
        life.ready("a", "b", triggered=at(1009.123456))
    assert early.since == late.since == {"a": None, "b": 1009.123456}


@pytest.mark.parametrize("triggered", [at(990.0), at(1011.0), "yesterday"])
def test_a_time_that_cannot_be_is_not_believed(triggered: str) -> None:
    """A minute ago, in the future, and no time at all: clocks that are apart do not age a Pod."""
    life = Life(1000.0)
    life.ready("a")
    life.now = 1010.0
    life.ready("a", "b", triggered=triggered)
    assert life.since == {"a": None, "b": 1010.0}
