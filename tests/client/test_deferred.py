"""Calls that stand for one still to come: their callbacks may do with them what callbacks of grpc's own calls may."""

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ECHO, assign, in_flight, sync_channel
from trimtab.balance import Node, Pick
from trimtab.client.deferred import DeferredCall
from trimtab.client.placement import Deadline, Refusal
from trimtab.client.rpc_error import RefusedCall
from trimtab.model import Endpoint

PATIENCE_S = 20.0


def elsewhere(work: Callable[[], object]) -> bool:
    """Do `work` in another thread; whether it came to an end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return not thread.is_alive()


def at_once(callback: Callable[..., object], *args: object) -> None:
    callback(*args)


def failed(details: str = "no") -> RefusedCall:
    return RefusedCall(Refusal(grpc.StatusCode.UNAVAILABLE, details))


@pytest.mark.parametrize("settles", ["begun", "refused", "cancelled"])
def test_a_callback_may_call_back_from_another_thread(settles: str) -> None:
    call = DeferredCall(lambda pick, timeout: failed(), Deadline(None), at_once)
    came_back: list[bool] = []
    call.add_done_callback(lambda done: came_back.append(elsewhere(lambda: (done.add_callback(print), done.cancel()))))
    call.add_callback(lambda: came_back.append(elsewhere(lambda: call.add_done_callback(print))))
    if settles == "begun":
        call.begin(Pick(Node(Endpoint("10.0.0.1", 80)), 0.0))
    elif settles == "refused":
        call.settle(failed())
    else:
        call.cancel()
    assert came_back == [True, True]


def test_what_is_started_while_it_is_cancelled_is_cancelled_too() -> None:
    cancelled: list[str] = []

    class Started:
        def cancel(self) -> bool:
            cancelled.append("started")
            return True

    def start(pick: Pick, timeout: float | None) -> Any:
        assert call.cancel()
        return Started()

    call = DeferredCall(start, Deadline(None), at_once)
    call.begin(Pick(Node(Endpoint("10.0.0.1", 80)), 0.0))
    assert cancelled == ["started"]
    assert call.cancelled()


def test_a_call_that_was_cancelled_before_takes_nothing() -> None:
    call = DeferredCall(lambda pick, timeout: pytest.fail("started"), Deadline(None), at_once)
    call.cancel()
    node = Node(Endpoint("10.0.0.1", 80))
    call.begin(Pick(node, 0.0))
    assert node.in_flight == 0


def test_a_callback_waits_for_another_call(ads: AdsServer, backends: Callable[[int], list[Backend]]) -> None:
    with sync_channel(ads) as channel:
        first = channel.unary_unary(ECHO).future(b"first", timeout=PATIENCE_S)
        answers: list[Any] = []

        def ask_again(done: Any) -> None:
            # From the thread of callbacks or one of grpc's: neither is one that the next call needs.
            answers.append((done.result(), channel.unary_unary(ECHO)(b"second", timeout=PATIENCE_S)))

        first.add_done_callback(ask_again)
        assign(ads, backends(1))
        eventually(lambda: answers == [(b"first", b"second")])
        eventually(lambda: in_flight(channel) == 0)
