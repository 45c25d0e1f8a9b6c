from hypothesis import given
from hypothesis import strategies as st

from tests.balance import fleet
from trimtab.balance.subset import subset
from trimtab.model import Health

FLEET = [(0, endpoint) for endpoint in fleet.endpoints(300)]


def test_a_small_service_is_used_whole() -> None:
    assert subset(FLEET[:5], 5, "client") == FLEET[:5]


def test_the_same_client_gets_the_same_subset_in_any_order() -> None:
    assert set(subset(FLEET, 20, "client")) == set(subset(reversed(FLEET), 20, "client"))


def test_different_clients_get_different_subsets() -> None:
    assert set(subset(FLEET, 20, "client-1")) != set(subset(FLEET, 20, "client-2"))


@given(st.integers(0, 299))
def test_one_endpoint_leaving_changes_at_most_one_place(index: int) -> None:
    before = set(subset(FLEET, 20, "client"))
    after = set(subset(FLEET[:index] + FLEET[index + 1 :], 20, "client"))
    assert len(after - before) == len(before - after) <= 1


def test_many_clients_spread_over_all_endpoints() -> None:
    chosen = [item for client in range(300) for item in subset(FLEET, 20, f"client-{client}")]
    shares = [chosen.count(item) for item in FLEET]
    assert min(shares) > 5
    assert max(shares) < 45


def test_healthy_endpoints_of_the_first_priority_are_kept_first() -> None:
    draining = [(0, endpoint) for endpoint in fleet.endpoints(10, Health.DRAINING, start=400)]
    fallback = [(1, endpoint) for endpoint in fleet.endpoints(10, start=500)]
    assert set(subset(fallback + draining + FLEET[:10], 10, "client")) == set(FLEET[:10])
