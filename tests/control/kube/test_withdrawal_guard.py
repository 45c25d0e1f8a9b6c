"""What counts as a mass withdrawal, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from trimtab.control.catalog import Catalog
from trimtab.control.kube.withdrawal_guard import GuardSettings, Taken, WithdrawalGuard
from trimtab.control.kubernetes import EndpointSlice, Object, ObjectKey
from trimtab.model import Health, ServiceRef

SERVICES = 4


def name(number: int) -> str:
    return f"s{number}"


def part(number: int, *hosts: int, ready: bool = True, index: int = 1) -> EndpointSlice:
    endpoints = [endpoint(f"10.0.{number}.{host}", ready=ready, pod=f"p{number}-{host}") for host in hosts]
    return endpoint_slice(*endpoints, name=f"{name(number)}-{index}", of=name(number))


class Guarded:
    """A guard, what it lets through, and a catalog behind it."""

    def __init__(self, settings: GuardSettings | None = None, services: int = SERVICES) -> None:
        self.guard = WithdrawalGuard(settings or GuardSettings())
        self.catalog = Catalog()
        self.now = 0.0
        for number in range(services):
            self.say(service(name=name(number)), part(number, 1, 2, 3, 4))

    def say(self, *upserts: Object, gone: Sequence[ObjectKey] = ()) -> None:
        self.serve(self.guard.take(upserts, gone, self.now))

    def serve(self, taken: Taken) -> None:
        upserts, deletes = taken
        self.catalog.apply(upserts, deletes)

    def hosts(self, number: int, health: Health) -> list[str]:
        port = self.catalog.get(ServiceRef(name(number), "prod", "8080"))
        if port is None:
            return []
        return sorted(e.address.rpartition(".")[2] for _, e in port.assignment.endpoints() if e.health is health)

    def healthy(self, number: int) -> list[str]:
        return self.hosts(number, Health.HEALTHY)

    def draining(self, number: int) -> list[str]:
        return self.hosts(number, Health.DRAINING)


def slice_key(number: int, index: int = 1) -> ObjectKey:
    return ("EndpointSlice", "prod", f"{name(number)}-{index}")


def test_one_service_may_scale_to_zero() -> None:
    guarded = Guarded()
    guarded.say(part(0))
    assert guarded.healthy(0) == []
    assert guarded.guard.holding == 0


def test_one_service_alone_in_its_cluster_may_too() -> None:
    guarded = Guarded(services=1)
    guarded.say(part(0))
    assert guarded.healthy(0) == []


def test_half_of_the_services_may_vanish_and_more_may_not() -> None:
    guarded = Guarded()
    guarded.say(part(0), part(1))
    assert guarded.guard.holding == 0
    guarded.say(part(2))
    assert guarded.guard.trips == 1
    # All three that went within the window come back, demoted.
    assert [guarded.draining(number) for number in range(3)] == [["1", "2", "3", "4"]] * 3
    assert guarded.healthy(3) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("how", ["empty slices", "no slices", "not ready", "no services"])
def test_however_they_vanish_they_are_kept_and_demoted(how: str) -> None:
    guarded = Guarded()
    everything = range(SERVICES)
    match how:
        case "empty slices":
            guarded.say(*map(part, everything))
        case "no slices":
            guarded.say(gone=[slice_key(number) for number in everything])
        case "not ready":
            guarded.say(*(part(number, 1, 2, 3, 4, ready=False) for number in everything))
        case _:
            guarded.say(gone=[("Service", "prod", name(number)) for number in everything])
    assert guarded.guard.holding == 4 * SERVICES
    for number in everything:
        assert (guarded.healthy(number), guarded.draining(number)) == ([], ["1", "2", "3", "4"])


def test_what_is_new_counts_at_once() -> None:
    guarded = Guarded()
    guarded.say(*(part(number, 7) for number in range(SERVICES)))
    assert (guarded.healthy(0), guarded.draining(0)) == (["7"], ["1", "2", "3", "4"])
    guarded.say(part(0, 7, 8))
    assert (guarded.healthy(0), guarded.draining(0)) == (["7", "8"], ["1", "2", "3", "4"])


def test_what_comes_back_is_healthy_again() -> None:
    guarded = Guarded()
    guarded.say(*map(part, range(SERVICES)))
    guarded.say(part(0, 1, 2))
    assert (guarded.healthy(0), guarded.draining(0)) == (["1", "2"], ["3", "4"])
    guarded.say(part(0, 3, 4, index=2))
    assert (guarded.healthy(0), guarded.draining(0)) == (["1", "2", "3", "4"], [])
    assert guarded.guard.holding == 12


def test_after_the_second_look_gone_is_gone() -> None:
    guarded = Guarded()
    guarded.say(*map(part, range(3)), gone=[slice_key(3), ("Service", "prod", name(3))])
    guarded.say(part(0, 1, 2), part(1, 9))
    guarded.serve(guarded.guard.release())
    assert (guarded.healthy(0), guarded.draining(0)) == (["1", "2"], [])
    assert (guarded.healthy(1), guarded.draining(1)) == (["9"], [])
    assert (guarded.healthy(2), guarded.draining(2)) == ([], [])
    assert guarded.catalog.get(ServiceRef(name(3), "prod", "8080")) is None
    assert guarded.guard.holding == 0
    assert guarded.guard.second_look_in_s(guarded.now) is None
    # And nothing of it is left behind.
    assert {part.metadata.name for n in range(4) for part in guarded.catalog.slices(("prod", name(n)))} == {
        "s0-1",
        "s1-1",
        "s2-1",
    }


def test_the_second_look_waits_a_little() -> None:
    guarded = Guarded()
    guarded.now = 100.0
    guarded.say(*map(part, range(SERVICES)))
    assert guarded.guard.second_look_in_s(101.0) == 4.0
    assert guarded.guard.second_look_in_s(200.0) == 0.0


def test_what_takes_its_time_is_no_burst() -> None:
    guarded = Guarded()
    for number in range(SERVICES):
        guarded.now += 11.0
        guarded.say(part(number))
    assert guarded.guard.trips == 0


def test_a_rolling_restart_is_no_withdrawal() -> None:
    guarded = Guarded()
    for step in range(1, 5):
        for number in range(SERVICES):
            kept = [*range(step + 1, 5), *range(10, 10 + step)]
            guarded.say(part(number, *kept))
    assert guarded.guard.trips == 0
    assert (guarded.healthy(0), guarded.draining(0)) == (["10", "11", "12", "13"], [])


def test_services_that_lose_less_than_half_do_not_count() -> None:
    guarded = Guarded()
    guarded.say(*(part(number, 1, 2) for number in range(SERVICES)))
    assert guarded.guard.trips == 0
    assert guarded.healthy(0) == ["1", "2"]


def test_others_go_on_as_ever_while_some_are_held() -> None:
    guarded = Guarded(services=5)
    guarded.say(*map(part, range(3)))
    guarded.say(part(3, 1), service(name="new"))
    assert guarded.guard.trips == 1
    assert guarded.catalog.get(ServiceRef("new", "prod", "8080")) is not None
    guarded.say(part(4, 1, 2, 3))
    assert (guarded.healthy(4), guarded.draining(4)) == (["1", "2", "3"], [])


def test_draining_pods_are_still_there() -> None:
    guarded = Guarded()
    for number in range(SERVICES):
        leaving = [
            endpoint(f"10.0.{number}.{host}", ready=False, serving=True, terminating=True, pod=f"p{number}-{host}")
            for host in range(1, 5)
        ]
        guarded.say(endpoint_slice(*leaving, name=f"{name(number)}-1", of=name(number)))
    assert guarded.guard.trips == 0


def test_it_can_be_turned_off() -> None:
    guarded = Guarded(replace(GuardSettings(), share=1.0))
    guarded.say(*map(part, range(SERVICES)))
    assert guarded.healthy(0) == []


def test_a_withdrawal_is_told_from_a_move() -> None:
    guarded = Guarded()
    assert guarded.guard.lost([part(0, 1, 2, 3)], [])
    assert guarded.guard.lost([], [slice_key(0)])
    assert not guarded.guard.lost([part(0, 1, 2, 3), part(0, 4, index=2)], [])
    assert not guarded.guard.lost([part(0, 1, 2, 3, 4, 5)], [])
    assert not guarded.guard.lost([part(0, 1, 2, 3, 4, index=2)], [slice_key(0)])


def test_how_many_services_make_a_mass_can_be_set() -> None:
    guarded = Guarded(GuardSettings(share=0.4, least_services=3))
    guarded.say(part(0), part(1))
    assert not guarded.guard.holding
    guarded.say(part(2))
    assert set(guarded.guard.held_services) == {("prod", name(number)) for number in range(3)}
