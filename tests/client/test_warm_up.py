from tests.balance import fleet
from trimtab.balance import Connectivity, Node
from trimtab.client.warm_up import Gate, WarmUp


def warming(count: int) -> tuple[WarmUp, list[Node]]:
    warm_up, nodes = WarmUp(), fleet.nodes(count)
    for node in nodes:
        warm_up.observe(node, Connectivity.CONNECTING)
    return warm_up, nodes


def test_calls_are_held_while_nothing_is_connected() -> None:
    warm_up, nodes = warming(3)
    warm_up.observe(nodes[0], Connectivity.TRANSIENT_FAILURE)
    assert warm_up.gate is Gate.HELD


def test_the_first_ready_connection_gives_the_others_a_grace() -> None:
    warm_up, nodes = warming(3)
    warm_up.observe(nodes[0], Connectivity.READY)
    assert warm_up.gate is Gate.IN_GRACE


def test_calls_go_when_every_connection_is_ready_or_failed() -> None:
    warm_up, nodes = warming(2)
    warm_up.observe(nodes[0], Connectivity.READY)
    warm_up.observe(nodes[1], Connectivity.TRANSIENT_FAILURE)
    assert warm_up.gate is Gate.OPEN


def test_calls_go_when_everything_failed_so_that_they_learn_why() -> None:
    warm_up, nodes = warming(2)
    for node in nodes:
        warm_up.observe(node, Connectivity.TRANSIENT_FAILURE)
    assert warm_up.gate is Gate.OPEN


def test_an_endpoint_that_left_is_not_waited_for() -> None:
    warm_up, nodes = warming(2)
    warm_up.observe(nodes[0], Connectivity.READY)
    warm_up.forget(nodes[1])
    assert warm_up.gate is Gate.OPEN


def test_nothing_to_connect_is_nothing_to_wait_for() -> None:
    assert WarmUp().gate is Gate.OPEN
