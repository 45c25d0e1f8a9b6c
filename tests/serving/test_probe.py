"""The HTTP probe, asked over a socket."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.serving.http_get import get
from trimtab.serving import Health, Phase, ServeError, Warmup
from trimtab.serving.probe import Probe, readiness


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def warmup() -> Warmup:
    return Warmup()


@pytest.fixture
def port(health: Health, warmup: Warmup) -> Iterator[int]:
    probe = Probe("127.0.0.1:0", health, warmup)
    yield probe.port
    probe.stop()


def test_it_is_alive_in_every_phase_and_ready_in_one(port: int, health: Health) -> None:
    for phase in Phase:
        health.become(phase)
        assert get(port, "/healthz") == (200, {"alive": True})
        status, body = get(port, "/readyz?verbose")
        assert status == (200 if phase is Phase.READY else 503)
        assert body["phase"] == phase.value


async def test_it_says_how_far_the_warm_up_is_and_what_went_wrong(port: int, warmup: Warmup) -> None:
    async def fine() -> None:
        pass

    async def refuse() -> None:
        raise ConnectionError("no route to db")

    warmup.step("model", fine)
    warmup.step("db", refuse)
    warmup.step("cache", fine, after=["db"])
    assert [step["state"] for step in get(port, "/readyz")[1]["steps"]] == ["waiting"] * 3
    await warmup.run()
    steps = {step.pop("name"): step for step in get(port, "/readyz")[1]["steps"]}
    assert steps["model"]["state"] == "done"
    assert (steps["db"]["state"], steps["db"]["why"]) == ("failed", "ConnectionError: no route to db")
    assert (steps["cache"]["state"], steps["cache"]["why"]) == ("skipped", "needs db")


async def test_it_says_how_long_a_step_has_run_so_far(health: Health) -> None:
    now = 100.0
    warmup, begun, end = Warmup(clock=lambda: now), asyncio.Event(), asyncio.Event()

    async def load() -> None:
        begun.set()
        await end.wait()

    warmup.step("model", load)
    running = asyncio.create_task(warmup.run())
    await begun.wait()
    now = 107.5
    (step,) = readiness(health, warmup)[1]["steps"]
    assert step == {"name": "model", "state": "running", "took_s": 7.5}
    end.set()
    await running
    now = 200.0
    (step,) = readiness(health, warmup)[1]["steps"]
    assert step == {"name": "model", "state": "done", "took_s": 7.5}


def test_another_path_is_answered_with_those_there_are(port: int) -> None:
    status, body = get(port, "/metrics")
    assert status == 404
    assert "/readyz" in body["error"]


def test_it_listens_on_ipv6(health: Health) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    probe = Probe("[::1]:0", health, None)
    assert probe.port
    probe.stop()


@pytest.mark.parametrize("address", ["8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(address: str, health: Health) -> None:
    with pytest.raises(ServeError, match="probe: "):
        Probe(address, health, None)


def test_a_port_that_is_taken_is_named(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServeError, match=f"cannot listen on {address}"):
            Probe(address, health, None)
