import pytest

from tests.control.kube.fake_store import encode
from tests.control.kube.json_objects import Json, endpoint_slice
from trimtab.control.kube.kinds import SLICES
from trimtab.control.kube.messages import Upsert, read_event
from trimtab.control.kube.reflector import News
from trimtab.control.kube.settling import RECONNECT_S, SETTLE_S, Settling
from trimtab.control.kube.withdrawal_guard import GuardSettings, WithdrawalGuard
from trimtab.control.kubernetes import Object, ObjectKey


def part(*addresses: str, name: str = "payments-1", of: str = "payments") -> Object:
    item: Json = endpoint_slice(*addresses, name=name, of=of)
    event = read_event(SLICES, encode({"type": "ADDED", "object": item}))
    assert isinstance(event, Upsert)
    return event.item


class Told:
    """What a settling let through, taken in by its guard as the source does it."""

    def __init__(self, *known: Object) -> None:
        self._guard = WithdrawalGuard(GuardSettings(share=1.0))
        self._guard.take(known, [], 0.0)
        self.settling = Settling(self._guard)

    def at(self, now: float, *upserts: Object, deletes: tuple[ObjectKey, ...] = (), hears: bool = True) -> set[str]:
        news = self.settling.take(News(upserts, deletes), now, hears=hears)
        self._guard.take(news.upserts, news.deletes, now)
        return {item.key[2] for item in news.upserts} | {key[2] for key in news.deletes}


def test_what_takes_nothing_away_is_told_at_once() -> None:
    told = Told(part("10.0.0.1"))
    assert told.at(0.0, part("10.0.0.1", "10.0.0.2")) == {"payments-1"}
    assert not told.settling


def test_what_takes_an_endpoint_away_is_told_a_moment_later() -> None:
    told = Told(part("10.0.0.1", "10.0.0.2"))
    assert told.at(0.0, part("10.0.0.1")) == set()
    assert told.settling
    assert told.at(0.9 * SETTLE_S) == set()
    assert told.at(1.1 * SETTLE_S) == {"payments-1"}
    assert not told.settling


def test_a_deleted_slice_takes_away_too() -> None:
    told = Told(part("10.0.0.1"))
    gone = (part("10.0.0.1").key,)
    assert told.at(0.0, deletes=gone) == set()
    assert told.at(1.1 * SETTLE_S) == {"payments-1"}


def test_a_move_is_told_as_soon_as_it_is_whole() -> None:
    told = Told(part("10.0.0.1", "10.0.0.2"))
    assert told.at(0.0, part("10.0.0.1")) == set()
    assert told.at(0.001, part("10.0.0.2", name="payments-2")) == {"payments-1", "payments-2"}


def test_half_of_a_move_that_comes_last_gets_its_time_too() -> None:
    """What was gone before it is gone for good; that does not hurry the next."""
    told = Told(part("10.0.0.1", "10.0.0.2"), part("10.0.0.3", name="payments-2"))
    assert told.at(0.0, part("10.0.0.1")) == set()
    assert told.at(1.1 * SETTLE_S, part("10.0.0.9", name="payments-2")) == set()
    assert told.at(1.2 * SETTLE_S) == set()
    assert told.at(1.3 * SETTLE_S, part("10.0.0.3", name="payments-3")) == {"payments-1", "payments-2", "payments-3"}


@pytest.mark.parametrize("hears", [True, False])
def test_other_services_do_not_wait(hears: bool) -> None:
    told = Told(part("10.0.0.1"), part("10.0.1.1", name="users-1", of="users"))
    assert told.at(0.0, part(), part("10.0.1.1", "10.0.1.2", name="users-1", of="users"), hears=hears) == {"users-1"}


def test_slices_of_one_service_are_told_in_order() -> None:
    """Where two disagree the newest word counts, so none may overtake another."""
    told = Told(part("10.0.0.1", "10.0.0.2"))
    told.at(0.0, part("10.0.0.1"))
    assert told.at(0.001, part("10.0.0.3", name="payments-2")) == set()
    news = told.settling.take(News(), 1.1 * SETTLE_S, hears=True)
    assert [item.key[2] for item in news.upserts] == ["payments-1", "payments-2"]


def test_while_nothing_is_heard_it_waits_for_the_watch() -> None:
    told = Told(part("10.0.0.1", "10.0.0.2"))
    assert told.at(0.0, part("10.0.0.1"), hears=False) == set()
    assert told.at(0.9 * RECONNECT_S, hears=False) == set()
    assert told.at(1.1 * RECONNECT_S, hears=False) == {"payments-1"}


def test_a_service_that_never_settles_is_told_of_all_the_same() -> None:
    addresses = [f"10.0.0.{n}" for n in range(1, 101)]
    told = Told(part(*addresses))
    first = next(n for n in range(1, 100) if told.at(n * SETTLE_S / 2, part(*addresses[n:])))
    assert first < 25
