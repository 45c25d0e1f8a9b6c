"""A tracer hears of every pick as it was made: which node, among whom, and why; and changes none of them."""

import pytest

from tests.balance import fleet
from tests.balance.virtual import REQUEST, Answer, World
from trimtab.balance import Choice, Node, Request, strategies
from trimtab.model import Policy

every_strategy = pytest.mark.parametrize("strategy", sorted(strategies()))


def troubled(strategy: str, seed: int = 1) -> tuple[World, Answer]:
    """Quotas of all kinds: two of twelve nodes are new, and two fail most of their calls."""
    shop = World(Policy(strategy, slow_start_s=60.0), seed)
    known = shop.assign(*fleet.endpoints(10))
    shop.run(61, 50, lambda node: (0.02, "OK"))
    shop.assign(*fleet.endpoints(12))
    calls = 0

    def answer(node: Node) -> tuple[float, str]:
        nonlocal calls
        calls += 1
        return (0.02, "UNAVAILABLE" if node in known[:2] and calls % 3 else "OK")

    return shop, answer


class Traced:
    """Remembers what it is told."""

    def __init__(self, shop: World) -> None:
        self.choices: list[Choice] = []
        shop.balancer.tracer = self._note

    def _note(self, request: Request, choice: Choice) -> None:
        assert request is REQUEST
        self.choices.append(choice)


@every_strategy
def test_the_traced_node_is_the_one_that_gets_the_call(strategy: str) -> None:
    shop, answer = troubled(strategy)
    trace = Traced(shop)
    asked: list[Node] = []

    def noting(node: Node) -> tuple[float, str]:
        asked.append(node)
        return answer(node)

    shop.run(40, 100, noting)
    assert any(node.quota is not None for node in asked)
    assert [choice.node for choice in trace.choices] == asked


@every_strategy
def test_every_choice_has_its_candidates_with_scores_and_a_reason(strategy: str) -> None:
    shop, answer = troubled(strategy)
    trace = Traced(shop)
    shop.run(20, 100, answer)
    assert trace.choices
    for choice in trace.choices:
        assert choice.node in [candidate.node for candidate in choice.candidates]
        assert choice.why
        assert "does not say" not in choice.why
        assert all(candidate.score >= 0 for candidate in choice.candidates)


@every_strategy
def test_a_tracer_changes_no_pick(strategy: str) -> None:
    def counts(*, traced: bool) -> tuple[dict[str, int], int]:
        shop, answer = troubled(strategy)
        if traced:
            Traced(shop)
        found = shop.run(20, 100, answer)
        return {node.endpoint.address: count for node, count in found.items()}, shop.balancer.idle_pairs

    assert counts(traced=True) == counts(traced=False)


def test_who_missed_a_turn_is_named() -> None:
    shop, answer = troubled("round_robin")
    trace = Traced(shop)
    shop.run(20, 100, answer)
    missed = [choice for choice in trace.choices if "missed theirs" in choice.why]
    assert missed
    assert all(choice.candidates[0].node.success < 1.0 or len(choice.candidates) > 1 for choice in missed)


def test_a_tracer_that_fails_fails_no_call_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shop, answer = troubled("p2c")
    shop.balancer.tracer = lambda request, choice: 1 / 0
    assert shop.run(20, 100, answer).total() > 1000
    assert caplog.text.count("ZeroDivisionError") == 1
    shop.balancer.tracer = lambda request, choice: 1 / 0
    shop.run(1, 100, answer)
    assert caplog.text.count("ZeroDivisionError") == 2
