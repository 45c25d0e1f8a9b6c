"""One word about the pod, heard by all who watch."""

import asyncio
import threading

import pytest

from trimtab.serving import Health, Phase, ServeError
from trimtab.xds.health import ServingStatus

SERVING, NOT_SERVING, UNKNOWN = ServingStatus.SERVING, ServingStatus.NOT_SERVING, ServingStatus.SERVICE_UNKNOWN


def test_it_serves_when_ready_and_only_then() -> None:
    health = Health("shop.Shop")
    for phase in Phase:
        health = Health("shop.Shop")
        assert health.become(phase)
        assert (health.status() is SERVING) == (phase is Phase.READY)
        assert health.status("shop.Shop") is health.status()
    assert health.status("other.Service") is UNKNOWN


@pytest.mark.parametrize("phase", [Phase.WARMING_UP, Phase.READY, Phase.FAILED])
def test_there_is_no_way_back_from_draining(phase: Phase) -> None:
    health = Health()
    health.become(Phase.DRAINING)
    assert not health.become(phase)
    assert health.phase is Phase.DRAINING
    assert health.become(Phase.STOPPED)
    assert not health.become(Phase.DRAINING)


def test_a_service_may_be_down_while_others_serve() -> None:
    health = Health("a", "b")
    health.become(Phase.READY)
    health.set("a", serving=False)
    assert [health.status(name) for name in ("a", "b", "")] == [NOT_SERVING, SERVING, SERVING]
    health.set("", serving=False)
    assert [health.status(name) for name in ("a", "b", "")] == [NOT_SERVING] * 3
    with pytest.raises(ServeError, match=r"no service 'c'; name it in Health\(…\), which has 'a', 'b'"):
        health.set("c", serving=True)


async def test_who_watches_hears_changes_from_any_thread_until_the_end() -> None:
    health = Health("a")
    heard = health.watch("a")
    assert await anext(heard) is NOT_SERVING
    threading.Thread(target=health.become, args=(Phase.READY,)).start()
    assert await anext(heard) is SERVING
    health.set("a", serving=False)
    assert await anext(heard) is NOT_SERVING
    # No change of what was asked about: nothing to hear before the end.
    health.become(Phase.DRAINING)
    health.become(Phase.STOPPED)
    assert [status async for status in heard] == []


async def test_waiting_for_a_phase_ends_with_the_pod_at_the_latest() -> None:
    health = Health()
    waiting = asyncio.create_task(health.reached(Phase.READY))
    await asyncio.sleep(0)
    health.become(Phase.FAILED)
    health.become(Phase.STOPPED)
    await waiting


def test_who_watched_from_a_loop_that_is_gone_disturbs_nobody() -> None:
    health = Health()
    loop = asyncio.new_event_loop()
    heard = health.watch("")
    loop.run_until_complete(anext(heard))
    loop.close()
    assert health.become(Phase.READY)
