from concurrent.futures import ThreadPoolExecutor

from tests.balance import fleet
from trimtab.balance import Node, Outcome, Pick

OK = Outcome("OK")


def test_a_pick_counts_as_in_flight_until_it_is_done() -> None:
    (node,) = fleet.nodes(1)
    first, second = Pick(node, 0.0), Pick(node, 0.0)
    assert node.in_flight == 2
    first.done(OK)
    assert node.in_flight == 1
    second.done(OK)
    assert node.in_flight == 0


def test_done_twice_counts_once() -> None:
    (node,) = fleet.nodes(1)
    first, second = Pick(node, 0.0), Pick(node, 0.0)
    first.done(OK)
    first.done(Outcome("CANCELLED"))
    assert node.in_flight == 1
    second.done(OK)


def test_counts_survive_many_threads() -> None:
    (node,) = fleet.nodes(1)
    kept = Pick(node, 0.0)

    def calls(_: int) -> None:
        for _ in range(5_000):
            Pick(node, 0.0).done(OK)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(calls, range(8)))
    assert node.outstanding == {kept}


def test_a_retired_node_is_let_go_when_its_last_call_ended() -> None:
    (node,) = fleet.nodes(1)
    let_go: list[Node] = []
    first, second = Pick(node, 0.0), Pick(node, 0.0)
    node.retire(let_go.append)
    first.done(OK)
    assert let_go == []
    second.done(OK)
    assert let_go == [node]


def test_an_idle_node_is_let_go_at_once() -> None:
    (node,) = fleet.nodes(1)
    let_go: list[Node] = []
    node.retire(let_go.append)
    assert let_go == [node]


def test_a_node_says_what_state_it_is_in() -> None:
    (node,) = fleet.nodes(1)
    pick = Pick(node, 0.0)
    assert repr(node) == "<Node 10.0.0.1:8080 idle, 1 in flight>"
    pick.done(OK)
