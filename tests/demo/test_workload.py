from itertools import pairwise
from statistics import fmean

import pytest

from trimtab.demo.shop import Order
from trimtab.demo.workload import UTILISATION, WARM_UP_S, WORKERS_PER_POD, Load, arrivals


def everything(seed: int = 1, duration_s: float = 20.0) -> list[tuple[float, int, Order]]:
    load = Load.of(12, duration_s)
    return [(at_s, client, order) for at_s, client, order in arrivals(load, seed, 24, range(24))]


def test_the_same_seed_gives_the_same_requests_at_the_same_moments() -> None:
    assert everything(seed=7) == everything(seed=7)


def test_another_seed_gives_another_load() -> None:
    assert everything(seed=7) != everything(seed=8)


def test_a_clients_requests_do_not_depend_on_which_process_sends_them() -> None:
    load = Load.of(12, 2.0)
    alone = list(arrivals(load, 1, 24, [5]))
    among_others = [arrival for arrival in arrivals(load, 1, 24, [1, 5, 9]) if arrival.client == 5]
    assert alone == among_others


def test_arrivals_come_in_order_of_time_and_only_those_of_the_measured_time_are_measured() -> None:
    load = everything()
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(load))
    assert -WARM_UP_S <= load[0][0] < 0
    assert load[-1][0] < 20.0
    assert all(order.measured == (at_s >= 0) for at_s, _, order in load)


@pytest.mark.parametrize("pods", [2, 12, 60])
def test_the_load_keeps_any_number_of_pods_at_the_same_mean_utilisation(pods: int) -> None:
    load = Load.of(pods, 30.0)
    demand_s = sum(arrival.order.demand_s for arrival in arrivals(load, 3, 8, range(8)) if arrival.order.measured)
    assert demand_s / (pods * WORKERS_PER_POD * load.duration_s) == pytest.approx(UTILISATION, rel=0.1)


def test_service_times_have_a_tail() -> None:
    demands = sorted(order.demand_s for _, _, order in everything())
    assert 4 < demands[len(demands) * 99 // 100] / fmean(demands) < 5.5


def test_an_order_survives_the_wire() -> None:
    order = Order(0.0125, measured=True)
    assert Order.decode(order.encode()) == order
