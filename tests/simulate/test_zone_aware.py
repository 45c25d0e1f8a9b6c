"""Envoy's own zone tables: what has to cross zones so that every pod gets the same load."""

import pytest

from tests.simulate import fleets
from tests.simulate.fleets import scenario
from trimtab.model import Policy
from trimtab.simulate.chooser import Contender
from trimtab.simulate.contenders import contender
from trimtab.simulate.contenders.trimtab import trimtab
from trimtab.simulate.measures import measure
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, Network, PodGroup
from trimtab.simulate.simulation import simulate

ZONES = ("a", "b", "c")

# clients per zone, pods per zone, cross-zone share, cross-zone share of a random choice
TABLES = [
    ((1, 1, 1), (3, 3, 3), 0.0, 0.667),
    ((1, 1, 1), (2, 5, 5), 0.1667, 0.667),
    ((1, 1, 1), (5, 5, 6), 0.0417, 0.667),
    ((1, 1, 1), (10, 8, 8), 0.0515, 0.667),
    ((20, 20, 21), (4, 5, 5), 0.0421, 0.667),
    ((3, 2, 5), (4, 5, 5), 0.1572, 0.664),
    ((3, 2, 5), (3, 4, 5), 0.1334, 0.650),
    # Envoy has (40, 40, 20) and (25, 50, 25), which is the same and takes longer.
    ((8, 8, 4), (5, 10, 5), 0.15, 0.650),
]


@pytest.mark.parametrize(("clients", "pods", "cross", "at_random"), TABLES)
def test_cross_zone_share(
    clients: tuple[int, int, int], pods: tuple[int, int, int], cross: float, at_random: float
) -> None:
    anywhere = trimtab(Policy("random", zone="off"))
    assert played(anywhere, clients, pods)["cross_zone"] == pytest.approx(at_random, abs=0.02)
    for aware in (contender("envoy-zone-aware"), trimtab(Policy()), trimtab(Policy("round_robin"))):
        found = played(aware, clients, pods)
        assert found["cross_zone"] == pytest.approx(cross, abs=0.02)
        # Equal load per pod: what a Poisson count of 300 per pod may be off, for up to a hundred pods.
        assert found["max_over_mean"] < 1.25


def test_below_six_pods_zones_are_ignored() -> None:
    assert played(contender("envoy-zone-aware"), (1, 1, 1), (2, 2, 1))["cross_zone"] == pytest.approx(0.667, abs=0.03)


def played(equip: Contender, clients: tuple[int, int, int], pods: tuple[int, int, int]) -> dict[str, float]:
    asked = scenario(
        duration_s=sum(pods) * 300 / 1000.0,
        pods=(PodGroup(name="pod", count=sum(pods), zones=dict(zip(ZONES, pods, strict=True)), concurrency=100),),
        clients=(ClientGroup(count=sum(clients), zones=dict(zip(ZONES, clients, strict=True)), requests_per_s=1000.0),),
        requests=(RequestKind(service_time=ServiceTime(distribution="constant", mean_ms=1.0)),),
        network=Network(same_zone_ms=0.1, cross_zone_ms=1.0),
    )
    run = simulate(asked, equip, seed=1)
    assert set(fleets.statuses(run)) == {"OK"}
    return dict(measure(run, asked.network).values)
