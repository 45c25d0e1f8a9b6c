import pytest

from tests.balance import fleet
from trimtab.balance.candidates import Level
from trimtab.balance.fair_shares import FairShares
from trimtab.balance.zone import Zone
from trimtab.balance.zone_shares import NO_LOCAL, Standing, spread


def test_who_takes_calls_has_all_of_them_together_by_priority_zone_weight_and_ramp() -> None:
    nodes = fleet.nodes(10)
    zones = {name: Zone(name) for name in "ab"}
    for node in nodes[:6]:
        node.zone = zones["a" if node in nodes[:2] else "b"]
    for node in nodes[6:]:
        node.priority = 1
    nodes[1].ramp = nodes[9].ramp = 0.5
    nodes[1].reweigh()
    nodes[9].reweigh()
    # The last one of priority 1 takes no calls.
    levels = [Level(nodes[:6], 75), Level(nodes[6:9], 25)]
    standings = {"a": Standing(80, 2.0, 2.0, 2.0), "b": Standing(20, 4.0, 4.0, 4.0)}
    fair = FairShares(nodes, levels, {0: spread("", standings, NO_LOCAL)})
    assert fair.of(nodes[0]) == pytest.approx(0.75 * 0.8 / 1.5)
    assert fair.of(nodes[1]) == pytest.approx(0.75 * 0.8 * 0.5 / 1.5)
    assert fair.of(nodes[2]) == pytest.approx(0.75 * 0.2 / 4)
    assert sum(fair.of(node) for node in nodes[:9]) == pytest.approx(1.0)
    # As soon as it may it has its part among them.
    assert fair.of(nodes[9]) == pytest.approx(0.25 * 0.5 / 3)


def test_zones_that_are_as_capacity_make_no_difference() -> None:
    nodes = fleet.nodes(3)
    for node, name in zip(nodes, "aab", strict=True):
        node.zone = Zone(name)
    standings = {"a": Standing(2, 2.0, 2.0, 2.0), "b": Standing(1, 1.0, 1.0, 1.0)}
    fair = FairShares(nodes, [Level(nodes)], {0: spread("a", standings, NO_LOCAL)})
    assert [fair.of(node) for node in nodes] == pytest.approx([1 / 3] * 3)


def test_where_nobody_of_a_priority_takes_calls_it_is_as_if_all_did() -> None:
    nodes = fleet.nodes(4)
    nodes[3].priority = 1
    fair = FairShares(nodes, [Level(nodes[:3])], {})
    assert [fair.of(node) for node in nodes] == pytest.approx([1 / 3] * 3 + [1 / 4])
