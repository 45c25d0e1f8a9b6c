"""The life of an ASGI application: the protocol by hand, and under real servers with a real SIGTERM."""

import asyncio
import base64
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import pytest
from hypercorn.config import Config

from tests.client.eventually import eventually
from tests.ports import HeldPort
from tests.serving.http_get import PATIENCE_S, get
from tests.xds.envoy_messages import orca_load_report_pb2
from trimtab.serving import AsgiLifecycle, Drain, Load, Phase

ROOT = Path(__file__).parents[2]
STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
HTTP = {"type": "http", "path": "/", "http_version": "1.1"}


class Server:
    """What a server says to an application, and what it hears."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[Any] = asyncio.Queue()

    async def heard(self) -> str:
        return str((await asyncio.wait_for(self.outbox.get(), PATIENCE_S))["type"])

    def run(self, app: Any, scope: dict[str, Any]) -> "asyncio.Task[None]":
        return asyncio.ensure_future(app(scope, self.inbox.get, self.outbox.put))


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def test_an_application_without_lifespan_has_one_all_the_same() -> None:
    server, lifecycle = Server(), AsgiLifecycle(without_lifespan)
    living = server.run(lifecycle, {"type": "lifespan"})
    server.inbox.put_nowait(STARTUP)
    assert await server.heard() == "lifespan.startup.complete"
    await lifecycle.health.reached(Phase.READY)
    server.inbox.put_nowait(SHUTDOWN)
    assert await server.heard() == "lifespan.shutdown.complete"
    await living
    assert lifecycle.health.phase is Phase.STOPPED


async def test_an_applications_own_lifespan_goes_on_around_it() -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        events.append((await receive())["type"])
        await send({"type": "lifespan.startup.complete"})
        events.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    server, lifecycle = Server(), AsgiLifecycle(app)
    living = server.run(lifecycle, {"type": "lifespan"})
    server.inbox.put_nowait(STARTUP)
    assert await server.heard() == "lifespan.startup.complete"
    server.inbox.put_nowait(SHUTDOWN)
    assert await server.heard() == "lifespan.shutdown.complete"
    await living
    assert events == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_startup_that_fails_is_the_servers_to_know() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise OSError("no database")

    server = Server()
    living = server.run(AsgiLifecycle(app), {"type": "lifespan"})
    server.inbox.put_nowait(STARTUP)
    with pytest.raises(OSError, match="no database"):
        await living


@pytest.mark.parametrize(("status", "is_error"), [(200, False), (404, False), (500, True), (None, True)])
async def test_requests_are_counted_and_server_errors_are_errors(status: int | None, is_error: bool) -> None:
    load = Load()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert load.in_flight == 1
        if status is None:
            raise ValueError
        await send({"type": "http.response.start", "status": status, "headers": []})

    await asyncio.wait([Server().run(AsgiLifecycle(app, load=load), dict(HTTP))])
    assert load.in_flight == 0
    report = load.report()
    assert report.errors_per_s == (report.requests_per_s if is_error else 0)


async def test_a_server_that_takes_a_trigger_needs_no_signal() -> None:
    lifecycle = AsgiLifecycle(without_lifespan, sigterm=False, drain=Drain(quiet_s=0.1, limit_s=600, finish_s=5))
    config = Config()
    config.bind = ["127.0.0.1:0"]
    before = signal.getsignal(signal.SIGTERM)
    app: Any = lifecycle
    running = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=lifecycle.stopped))
    await lifecycle.health.reached(Phase.READY)
    assert signal.getsignal(signal.SIGTERM) is before
    lifecycle.depart()
    await asyncio.wait_for(running, PATIENCE_S)
    assert lifecycle.health.phase is Phase.STOPPED


SERVERS = {
    "uvicorn": ["uvicorn", "--log-level=warning", "--host=127.0.0.1", "--port={port}"],
    # Without workers: with them it is their parent that gets SIGTERM, and stops them at once.
    "hypercorn": ["hypercorn", "--workers=0", "--bind=127.0.0.1:{port}"],
}
ALL_SERVERS = pytest.mark.parametrize("server", SERVERS)


@contextmanager
def pod(server: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process whose port answers; it is still warming up."""
    with HeldPort() as held:
        port = held.port
        module, *arguments = (each.format(port=port) for each in SERVERS[server])
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "tests.serving.asgi_pod:lifecycle"],
            env={**os.environ, "PORT": str(port)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                eventually(lambda: _listens(port), PATIENCE_S)
                yield process, port
            finally:
                process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def say(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def log_of(process: "subprocess.Popen[str]") -> str:
    """What it wrote until it ended."""
    process.wait(PATIENCE_S)
    assert process.stderr is not None
    return process.stderr.read()


class SlowCall:
    """A request that is answered when the pod is told to."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._port = port
        self._answer: bytes | None = None
        self._thread = threading.Thread(target=self._call)
        self._thread.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "slow\n"

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/slow")
            self._answer = connection.getresponse().read()

    def answer(self) -> bytes | None:
        """None: the connection was cut."""
        self._thread.join(PATIENCE_S)
        return self._answer


@ALL_SERVERS
def test_under_a_real_server_it_warms_up_and_drains_at_sigterm(server: str) -> None:
    with pod(server) as (process, port):
        assert get(port, "/healthz")[0] == 200
        # What calls the server itself is done as soon as the port is open.
        eventually(lambda: [step["state"] for step in get(port, "/readyz")[1]["steps"]] == ["done", "done", "running"])
        assert get(port, "/readyz")[0] == 503
        say(process)
        eventually(lambda: get(port, "/readyz")[0] == 200, PATIENCE_S)

        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        kept.request("GET", "/")
        response = kept.getresponse()
        assert (response.read(), response.getheader("connection")) == (b"hello", None)
        encoded = response.getheader("endpoint-load-metrics-bin")
        assert encoded is not None
        report = orca_load_report_pb2.OrcaLoadReport.FromString(base64.b64decode(encoded))
        assert report.named_metrics["in_flight"] == 1

        slow = SlowCall(process, port)
        process.terminate()
        eventually(lambda: get(port, "/readyz")[0] == 503, PATIENCE_S)
        kept.request("GET", "/")
        response = kept.getresponse()
        assert (response.read(), response.getheader("connection")) == (b"hello", "close")
        kept.close()
        say(process)
        assert slow.answer() == b"hello"
        assert "stopped after" in log_of(process)


@ALL_SERVERS
def test_told_twice_under_a_real_server_it_does_not_wait_for_callers(server: str) -> None:
    with pod(server) as (process, port):
        say(process)
        eventually(lambda: get(port, "/readyz")[0] == 200, PATIENCE_S)
        slow = SlowCall(process, port)
        process.terminate()
        eventually(lambda: get(port, "/readyz")[1]["phase"] == "draining", PATIENCE_S)
        process.terminate()
        # Only what is under way is left, which the server waits for in its own way.
        eventually(lambda: not _listens(port), PATIENCE_S)
        say(process)
        slow.answer()
        assert "1 were in flight at the end" in log_of(process)


@ALL_SERVERS
def test_told_while_it_warms_up_under_a_real_server_it_goes(server: str) -> None:
    with pod(server) as (process, port):
        eventually(lambda: get(port, "/readyz")[1]["steps"][2]["state"] == "running", PATIENCE_S)
        process.terminate()
        assert "stopped after" in log_of(process)
