import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.balance.zone_weights import TOTAL, zone_weights

ZONES = "abc"

# Client replicas per zone, pods per zone, and the share of calls that must cross zones: Envoy's own test configurations.
TABLE = [
    ([1, 1, 1], [3, 3, 3], 0.0),
    ([2, 5, 5], [3, 3, 3], 0.1667),
    ([5, 5, 6], [3, 3, 3], 0.0417),
    ([10, 8, 8], [3, 3, 3], 0.0515),
    ([20, 20, 21], [4, 5, 5], 0.0421),
    ([3, 2, 5], [4, 5, 5], 0.1572),
    ([3, 2, 5], [3, 4, 5], 0.1334),
    ([40, 40, 20], [25, 50, 25], 0.15),
]

counts = st.lists(st.integers(0, 50), min_size=3, max_size=3)


def zones(numbers: list[int]) -> dict[str, int]:
    return dict(zip(ZONES, numbers, strict=True))


def traffic(clients: list[int], pods: list[int]) -> dict[tuple[str, str], float]:
    """Share of all calls from one zone to another."""
    flows = {}
    for origin, replicas in zones(clients).items():
        weights = zone_weights(origin, zones(pods), zones(clients))
        for zone, weight in weights.items():
            flows[origin, zone] = replicas / sum(clients) * weight / sum(weights.values())
    return flows


@pytest.mark.parametrize(("clients", "pods", "expected"), TABLE)
def test_the_share_of_cross_zone_calls_is_envoys(clients: list[int], pods: list[int], expected: float) -> None:
    crossing = sum(share for (origin, zone), share in traffic(clients, pods).items() if origin != zone)
    assert crossing == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(("clients", "pods", "expected"), TABLE)
def test_every_pod_gets_the_same_load(clients: list[int], pods: list[int], expected: float) -> None:
    flows = traffic(clients, pods)
    for zone, amount in zones(pods).items():
        load = sum(share for (_, target), share in flows.items() if target == zone)
        assert load / amount == pytest.approx(1 / sum(pods), rel=0.002)


@given(counts, counts)
def test_a_zone_with_healthy_pods_never_gets_weight_zero(clients: list[int], pods: list[int]) -> None:
    weights = zone_weights("a", zones(pods), zones(clients))
    assert set(weights) == {zone for zone, amount in zones(pods).items() if amount}
    assert all(weight >= 1 for weight in weights.values())


@given(counts.filter(lambda clients: clients[0] > 0), counts.filter(any))
def test_shares_add_up_to_everything(clients: list[int], pods: list[int]) -> None:
    assert sum(zone_weights("a", zones(pods), zones(clients)).values()) == pytest.approx(TOTAL, abs=len(ZONES))


def test_three_pods_in_three_zones_stay_at_home() -> None:
    assert zone_weights("a", zones([1, 1, 1]), zones([7, 7, 7])) == {"a": TOTAL, "b": 1, "c": 1}


@pytest.mark.parametrize("census", [None, {}, {"b": 3}])
def test_without_a_census_of_its_zone_a_client_goes_by_capacity(census: dict[str, int] | None) -> None:
    assert zone_weights("a", zones([3, 2, 1]), census) == {"a": 3, "b": 2, "c": 1}


def test_a_client_of_unknown_zone_goes_by_capacity() -> None:
    assert zone_weights("", zones([3, 2, 1]), zones([1, 1, 1])) == {"a": 3, "b": 2, "c": 1}


def test_a_zone_without_pods_goes_where_there_is_room() -> None:
    weights = zone_weights("a", zones([0, 4, 4]), zones([4, 1, 3]))
    assert weights["b"] == 3 * weights["c"]
