"""Kubernetes' HTTP probes: `/healthz` (alive) and `/readyz` (wants calls; with the progress of the warm-up).

In a thread of its own, so that a warm-up that hogs the event loop or every worker thread does not make the pod look dead.
"""

import http.server
import json
import socket
import threading
from typing import Any

from ..errors import ServeError
from ..xds.health import ServingStatus
from .address import split_address
from .health import Health
from .warmup import Step, Warmup


def readiness(health: Health, warmup: Warmup | None) -> tuple[int, dict[str, Any]]:
    """What `/readyz` answers: the HTTP status, and the phase and steps as JSON has them."""
    steps = [] if warmup is None else [_progress(step, warmup.elapsed_s(step)) for step in warmup.steps]
    status = 200 if health.status() is ServingStatus.SERVING else 503
    return status, {"phase": health.phase.value, "steps": steps}


def _progress(step: Step, elapsed_s: float) -> dict[str, Any]:
    said = {"name": step.name, "state": step.state.value, "took_s": round(elapsed_s, 3)}
    return said | {"why": step.why} if step.why else said


class Probe:
    """An HTTP server for the kubelet."""

    def __init__(self, address: str, health: Health, warmup: Warmup | None) -> None:
        """`address` is HOST:PORT, port 0 for any that is free; it listens at once. Raises ServeError."""
        try:
            host, port = split_address(address)
        except ValueError as error:
            raise ServeError(f"probe: {error}") from None

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True

        try:
            self._server = Server((host, port), _handler(health, warmup))
        except OSError as error:
            raise ServeError(f"probe: cannot listen on {address} ({error}); choose another address") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="trimtab probe", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(health: Health, warmup: Warmup | None) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/healthz":
                    self._answer(200, {"alive": True})
                case "/readyz":
                    self._answer(*readiness(health, warmup))
                case path:
                    self._answer(404, {"error": f"there is no {path} here; /healthz and /readyz are"})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """A line per probe tells nobody anything."""

    return Handler
