"""The life of a pod around an ASGI application, whatever server runs it (asgi.readthedocs.io, HTTP and lifespan 2.x)."""

import base64
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ..xds.orca import TRAILER
from .drain import Drain
from .health import Health, Phase
from .life import Life
from .load import Load
from .probe import readiness
from .sigterm import Sigterm
from .warmup import Warmup

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SERVER_ERROR: Final = 500


class AsgiLifecycle:
    """An ASGI application that warms up, says when it is ready at `/readyz`, and drains at SIGTERM.

    The server must have installed its signal handler before the application's startup, as uvicorn and Hypercorn do:
    SIGTERM is kept from it until callers have moved, and then passed on.
    """

    def __init__(
        self,
        app: App,
        *,
        warmup: Warmup | None = None,
        health: Health | None = None,
        load: Load | None = None,
        drain: Drain | None = None,
        report_load: bool = False,
        healthz: str = "/healthz",
        readyz: str = "/readyz",
        sigterm: bool = True,
    ) -> None:
        """`report_load` adds a load report to the headers of each response, as Envoy reads it; not for the internet.

        Empty `healthz` and `readyz` leave those paths to the application. Without `sigterm` the signal is left alone: call
        `depart` when the pod is to go, and let the server stop when `stopped` returns.
        """
        self.health = health or Health()
        self._app = app
        self._warmup = warmup
        self._load = load or Load()
        self._report_load = report_load
        self._probes = {path: probe for path, probe in ((healthz, self._alive), (readyz, self._ready)) if path}
        self._sigterm = Sigterm() if sigterm else None
        self._life = Life(
            _PassedOn(self._sigterm),
            warmup=warmup,
            health=self.health,
            load=self._load,
            drain=drain or Drain(),
            probe=None,
        )

    def depart(self) -> None:
        """Begin to drain, as SIGTERM does; again, after the drain's `repeat_s`: stop at once. Call it in the server's loop."""
        self._life.depart()

    async def stopped(self) -> None:
        """Return once the pod has drained: the trigger for servers that take one for their shutdown."""
        await self.health.reached(Phase.STOPPED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._probes:
            await _answer(send, *self._probes[scope["path"]]())
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0
        call = self._load.begin()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(scope)]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            status = _SERVER_ERROR
            raise
        finally:
            call.end(failed=status >= _SERVER_ERROR)

    def _headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        headers = []
        if self._report_load:
            headers.append((TRAILER.encode(), base64.b64encode(self._load.encoded())))
        if self.health.phase is Phase.DRAINING and scope.get("http_version", "1.1").startswith("1"):
            # A caller that keeps its connection would come back to a pod that is about to go.
            headers.append((b"connection", b"close"))
        return headers

    def _alive(self) -> tuple[int, dict[str, Any]]:
        return 200, {"alive": True}

    def _ready(self) -> tuple[int, dict[str, Any]]:
        return readiness(self.health, self._warmup)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin when the application has started, and end when the server shuts down."""
        asked = False

        async def listening() -> Message:
            nonlocal asked
            message = await receive()
            asked = True
            if message["type"] == "lifespan.shutdown":
                await self._shut_down()
            return message

        async def speaking(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._begin()
            await send(message)

        try:
            await self._app(scope, listening, speaking)
        except Exception:
            if asked:
                raise
            # It knows no lifespan (the spec lets it raise): then it is ours alone.
            await listening()
            await speaking({"type": "lifespan.startup.complete"})
            await listening()
            await send({"type": "lifespan.shutdown.complete"})

    async def _begin(self) -> None:
        if self._sigterm is not None:
            self._sigterm.take(self._life.depart)
        await self._life.begin()

    async def _shut_down(self) -> None:
        # The server has its own reason to stop.
        if self._sigterm is not None:
            self._sigterm.give_back()
        await self._life.abandon()


class _PassedOn:
    """The server, which starts by itself and stops when it gets the signal."""

    def __init__(self, sigterm: Sigterm | None) -> None:
        self._sigterm = sigterm

    async def start(self) -> None:
        pass

    async def stop(self, grace_s: float) -> None:
        if self._sigterm is not None:
            self._sigterm.pass_on()


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
