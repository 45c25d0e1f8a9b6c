"""The life of an ASGI application: the protocol by hand, and under a real uvicorn with a real SIGTERM."""

import asyncio
import base64
import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.client.eventually import eventually
from tests.serving.http_get import PATIENCE_S, get
from tests.xds.envoy_messages import orca_load_report_pb2
from trimtab.serving import AsgiLifecycle, Load, Phase

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


@contextmanager
def pod() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process whose port answers; it is still warming up."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.serving.asgi_pod", str(port)],
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


def test_under_uvicorn_it_warms_up_and_drains_at_sigterm() -> None:
    with pod() as (process, port):
        assert get(port, "/healthz")[0] == 200
        status, body = get(port, "/readyz")
        assert (status, body["steps"][0]["state"]) == (503, "running")
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

        answers: list[bytes] = []

        def call_slowly() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            connection.request("GET", "/slow")
            answers.append(connection.getresponse().read())
            connection.close()

        calling = threading.Thread(target=call_slowly)
        calling.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "slow\n"
        process.terminate()
        eventually(lambda: get(port, "/readyz")[0] == 503, PATIENCE_S)
        kept.request("GET", "/")
        response = kept.getresponse()
        assert (response.read(), response.getheader("connection")) == (b"hello", "close")
        kept.close()
        say(process)
        calling.join(PATIENCE_S)
        assert answers == [b"hello"]
        process.wait(PATIENCE_S)
        assert process.stderr is not None
        assert "stopped after" in process.stderr.read()
