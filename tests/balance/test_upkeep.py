"""What changes with time, and what time sets right."""

import pytest

from tests.balance.virtual import steady, world
from trimtab.balance import Pick
from trimtab.model import Policy


@pytest.mark.parametrize("load", ["in_flight", "cost"])
def test_what_threads_have_spoilt_is_right_a_second_later(load: str) -> None:
    shop, nodes = world(3, Policy(load=load))
    spoilt = nodes[0]
    Pick(spoilt, shop.now, 2.0)
    right = spoilt.score
    spoilt.cost, spoilt.score = 7.0, 7.0
    shop.now += 0.9
    shop.balancer.refresh()
    assert spoilt.score == 7.0
    shop.now += 0.2
    shop.balancer.refresh()
    assert spoilt.score == right


def test_a_peak_fades_on_an_idle_node_and_its_score_with_it() -> None:
    shop, nodes = world(3, Policy(load="peak_ewma", peak_ewma_decay_s=1.0))
    shop.run(1, 100, steady(0.02))
    before = nodes[0].latency_s
    assert before > 0
    shop.now += 1.0
    shop.balancer.refresh()
    assert nodes[0].latency_s < before / 2
    assert nodes[0].score == nodes[0].latency_s
