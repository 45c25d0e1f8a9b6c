"""Zone and endpoint as one decision, by the client's own code in virtual time: what stays, what leaves, and whether it is calm.

Fixed seeds; latencies between zones, and news of pods that take their time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from tests.simulate.fleets import scenario
from trimtab.model import Policy
from trimtab.simulate.contenders.trimtab import trimtab
from trimtab.simulate.event import AnyEvent, Crash, Slow
from trimtab.simulate.measures import measure
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, Network, PodGroup
from trimtab.simulate.simulation import Run, simulate
from trimtab.simulate.statistics import Columns, Floats

ZONES = "abc"
NETWORK = Network(same_zone_ms=0.1, cross_zone_ms=0.5)
ANYWHERE = Policy(zone="off")
"""Power of two choices across all pods."""
Numbers = tuple[int, int, int]


def zones(numbers: Numbers) -> dict[str, int]:
    return dict(zip(ZONES, numbers, strict=True))


def play(
    policy: Policy,
    clients: Sequence[ClientGroup],
    pods: Numbers,
    *,
    concurrency: int = 4,
    duration_s: float = 15.0,
    warm_up_s: float = 10.0,
    events: tuple[AnyEvent, ...] = (),
) -> "Zoned":
    asked = scenario(
        duration_s=duration_s,
        warm_up_s=warm_up_s,
        pods=(PodGroup(name="pod", count=sum(pods), zones=zones(pods), concurrency=concurrency),),
        clients=tuple(clients),
        requests=(RequestKind(service_time=ServiceTime(mean_ms=10.0)),),
        network=NETWORK,
        events=events,
        propagation_delay_s=0.5,
    )
    return Zoned(simulate(asked, trimtab(policy), seed=1))


def everywhere(clients: Numbers, **load: float) -> tuple[ClientGroup]:
    return (ClientGroup(count=sum(clients), zones=zones(clients), **load),)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Zoned:
    """A run, looked at by zone."""

    run: Run

    @property
    def values(self) -> dict[str, float]:
        return dict(measure(self.run, NETWORK).values)

    def local_shares(self, zone: str, width_s: float) -> Floats:
        """The share of the zone's calls that stayed, for every `width_s` of the measured time."""
        columns = Columns.of(self.run.ledger, self.run.warm_up_s)
        names = np.array([locality.zone for locality in self.run.ledger.localities])
        of_pod = np.array([pod.locality.zone for pod in self.run.pods])
        mine = (names[columns.client] == zone) & (columns.pod >= 0)
        window = (columns.started_s[mine] / width_s).astype(int)
        local = of_pod[columns.pod[mine]] == zone
        return np.bincount(window, weights=local) / np.bincount(window)

    def max_over_mean(self, from_s: float, until_s: float) -> float:
        """How uneven requests were in a span, over the pods that got any."""
        columns = Columns.of(self.run.ledger, self.run.warm_up_s)
        chosen = (columns.started_s >= from_s) & (columns.started_s < until_s) & (columns.pod >= 0)
        counts = np.bincount(columns.pod[chosen])
        return float(counts.max() / counts[counts > 0].mean())


def moves(series: Floats, tolerance: float) -> int:
    """How many times a series set out in a direction and went further than `tolerance`: noise is no move."""
    count, direction, extreme = 0, 0, float(series[0])
    for value in map(float, series):
        if direction and (value - extreme) * direction >= 0:
            extreme = value
        elif abs(value - extreme) > tolerance:
            count, direction, extreme = count + 1, 1 if value > extreme else -1, value
    return count


def test_moves_are_counted_without_the_noise() -> None:
    assert moves(np.array([1.0, 0.98, 1.0, 0.6, 0.63, 0.58, 1.0, 0.97]), 0.1) == 2
    assert moves(np.array([0.9, 1.0, 0.9, 1.0]), 0.2) == 0
    assert moves(np.array([0.5, 1.0, 0.5, 1.0]), 0.2) == 3


@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_in_a_balanced_fleet_calls_stay_at_home(utilisation: float) -> None:
    found = play(Policy(), everywhere((3, 3, 3), utilisation=utilisation), (3, 3, 3)).values
    assert found["cross_zone"] < 0.02
    assert found["max_over_mean"] < 1.1


def test_a_client_with_many_calls_in_flight_is_no_overloaded_zone() -> None:
    # 60 calls in flight from each client, all of them at home: what its own counts say of other zones is nothing.
    found = play(Policy(), everywhere((1, 1, 1), utilisation=0.6), (2, 2, 2), concurrency=50, duration_s=5.0).values
    assert found["cross_zone"] < 0.02


@pytest.mark.parametrize("clients", [(1, 1, 1), (4, 4, 4), (12, 12, 12)])
def test_three_pods_in_three_zones_one_five_times_slower(clients: Numbers) -> None:
    slow = partial(
        play, clients=everywhere(clients, utilisation=0.5), pods=(1, 1, 1), events=(Slow(at_s=0, first=1, factor=5.0),)
    )
    ours, anywhere = slow(Policy()).values, slow(ANYWHERE).values
    assert ours["p99_ms"] <= 1.3 * anywhere["p99_ms"]
    # The calls of the two zones whose pod is well stay.
    assert ours["cross_zone"] < 0.4


def test_half_of_a_zone_is_lost_and_comes_back() -> None:
    crash = Crash(at_s=10, zone="a", first=2, until_s=20, noticed_after_s=1.0)
    ran = play(Policy(), everywhere((4, 4, 4), requests_per_s=1500.0), (4, 4, 4), duration_s=35.0, events=(crash,))
    local = ran.local_shares("a", 0.5)
    # Zone a has 2 of 10 pods and 4 of 12 clients then: 0.2 / 0.333 of its calls stay.
    assert local[30:40].mean() == pytest.approx(0.6, abs=0.03)
    assert ran.max_over_mean(15.0, 20.0) <= 1.15
    assert local[:20].mean() > 0.98
    assert local[60:].mean() > 0.98
    assert ran.max_over_mean(30.0, 35.0) <= 1.15
    # Down once, up once, and nothing else; six standard deviations of a window's share are noise.
    assert moves(local, 0.18) == 2


def test_a_slow_zone_is_left_gradually_and_found_again() -> None:
    slow = Slow(at_s=5, zone="a", factor=5.0, until_s=15)
    ran = play(Policy(), everywhere((4, 4, 4), utilisation=0.4), (2, 2, 2), duration_s=35.0, events=(slow,))
    local = ran.local_shares("a", 0.5)
    assert local[:10].mean() > 0.97
    assert local[20:30].mean() < 0.35
    assert local[50:].mean() > 0.97
    assert moves(local, 0.2) == 2


def test_more_demand_than_the_census_knows_spills_over_and_stays_calm() -> None:
    # As many clients in every zone, but those of zone a call more than its pods can do.
    uneven = (
        ClientGroup(name="much", count=6, zones={"a": 6}, requests_per_s=1500.0),
        ClientGroup(name="little", count=12, zones={"b": 6, "c": 6}, requests_per_s=800.0),
    )
    ours, anywhere = (play(policy, uneven, (3, 3, 3)) for policy in (Policy(), ANYWHERE))
    assert ours.values["p99_ms"] <= 1.3 * anywhere.values["p99_ms"]
    assert ours.values["cross_zone"] < 0.25
    local = ours.local_shares("a", 0.5)
    assert local.mean() == pytest.approx(0.8, abs=0.06)
    assert moves(local, 0.18) == 0
