"""Pods that terminate and still serve, where there is nothing else."""

from trimtab.control.last_resort import last_resort
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints

A, B = Locality(zone="a"), Locality(zone="b")


def group(place: Locality, *states: Health, priority: int = 0) -> LocalityEndpoints:
    endpoints = tuple(Endpoint(f"10.{ord(place.zone)}.{priority}.{n}", 80, state) for n, state in enumerate(states))
    return LocalityEndpoints(place, endpoints, priority=priority)


def test_while_anything_is_ready_it_changes_nothing() -> None:
    draining, ready = group(A, Health.DRAINING), group(B, Health.HEALTHY)
    assert last_resort(Assignment("x", (draining, ready))) == Assignment("x", (draining, ready))
    later = group(B, Health.HEALTHY, priority=1)
    assert last_resort(Assignment("x", (draining, later))) == Assignment("x", (draining, later))


def test_where_nothing_is_ready_what_still_serves_is_used_and_weighs() -> None:
    found = last_resort(Assignment("x", (group(A, Health.DRAINING, Health.DRAINING, Health.UNHEALTHY),)))
    assert [one.health for _, one in found.endpoints()] == [Health.HEALTHY, Health.HEALTHY, Health.UNHEALTHY]
    assert found.localities[0].weight == 2


def test_nothing_at_all_stays_nothing() -> None:
    assert last_resort(Assignment("x")) == Assignment("x")
