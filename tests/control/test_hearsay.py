"""What other replicas said of endpoints that are not seen here."""

from trimtab.control.hearsay import Hearsay
from trimtab.xds.service_readiness import Sighting

PAYMENTS, ORDERS = ("prod", "payments"), ("prod", "orders")
A, B, C = (("10.0.0.1", 9090, "uid-a"), ("10.0.0.2", 9090, "uid-b"), ("10.0.0.3", 9090, "uid-c"))


def test_of_several_replicas_the_greatest_counts_and_the_last_word_of_each() -> None:
    hearsay = Hearsay()
    hearsay.put(PAYMENTS, "one", {A: Sighting(5.0, 6.0), B: Sighting(1.0, 1.0)})
    hearsay.put(PAYMENTS, "two", {A: Sighting(7.0, 5.0), C: Sighting(2.0, 2.0)})
    assert hearsay.about(PAYMENTS) == {A: Sighting(7.0, 5.0), B: Sighting(1.0, 1.0), C: Sighting(2.0, 2.0)}
    hearsay.put(PAYMENTS, "one", {B: Sighting(3.0, 3.0)})
    hearsay.put(PAYMENTS, "two", {})
    assert hearsay.about(PAYMENTS) == {B: Sighting(3.0, 3.0)}
    assert hearsay.about(ORDERS) == {}


def test_what_is_seen_is_kept_no_more() -> None:
    hearsay = Hearsay()
    hearsay.put(PAYMENTS, "one", {A: Sighting(1.0, 1.0), B: Sighting(1.0, 1.0)})
    hearsay.put(PAYMENTS, "two", {A: Sighting(1.0, 1.0)})
    hearsay.seen(PAYMENTS, {A})
    assert hearsay.about(PAYMENTS).keys() == {B}
    assert list(hearsay.services("two")) == []
    assert len(hearsay) == 1


def test_a_replica_out_of_its_mind_does_not_fill_memory() -> None:
    hearsay = Hearsay(most=2)
    hearsay.put(PAYMENTS, "one", {A: Sighting(1.0, 1.0), B: Sighting(1.0, 1.0)})
    hearsay.put(ORDERS, "one", {C: Sighting(1.0, 1.0)})
    assert hearsay.about(ORDERS) == {}
    assert len(hearsay) == 2
    hearsay.put(PAYMENTS, "one", {A: Sighting(1.0, 1.0)})
    hearsay.put(ORDERS, "one", {C: Sighting(1.0, 1.0)})
    assert hearsay.about(ORDERS) == {C: Sighting(1.0, 1.0)}
