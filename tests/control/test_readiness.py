"""Since when endpoints are ready, across changes and restarts."""

from collections.abc import Mapping

from tests.control.objects import endpoint, endpoint_slice, service
from trimtab.control.catalog import Catalog
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

    def ready(self, *pods: str) -> None:
        endpoints = [endpoint(f"10.0.0.{ord(name)}", ready=True, pod=name) for name in pods]
        self.catalog.apply([endpoint_slice(*endpoints)], [])

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
