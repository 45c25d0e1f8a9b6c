"""Looks whether a control plane that is preferred to the current one is back (gRFC A71)."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc

from ..errors import BootstrapError
from ..xds.health import HEALTH_SERVICE, ServingStatus, encode_health_response
from .ads_transport import open_channel
from .bootstrap import ControlPlane

_ANSWER_S: Final = 5.0
"""How long to wait for a connection and an answer."""
_SERVING: Final = encode_health_response(ServingStatus.SERVING)
_NOBODY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Comeback:
    """A thread that asks the preferred ones from time to time, until one of them answers that it serves (grpc.health.v1)."""

    def __init__(
        self,
        preferred: Sequence[ControlPlane],
        until_look_s: Callable[[], float],
        found: Callable[[ControlPlane], object],
    ) -> None:
        """`found` is called once, in this thread, with the first one that is back."""
        self._preferred = tuple(preferred)
        self._until_look_s = until_look_s
        self._found = found
        self._stopped = threading.Event()
        self._attempt: Any = None

    def start(self) -> None:
        """Look from now on, if anyone is preferred."""
        if self._preferred:
            threading.Thread(target=self._run, name="trimtab-comeback", daemon=True).start()

    def stop(self) -> None:
        """Look no more; this does not wait for the thread."""
        self._stopped.set()
        if (attempt := self._attempt) is not None:
            attempt.cancel()

    def _run(self) -> None:
        while not self._stopped.wait(self._until_look_s()):
            for server in self._preferred:
                if self._is_back(server):
                    self._found(server)
                    return

    def _is_back(self, server: ControlPlane) -> bool:
        """False too when told to stop meanwhile."""
        try:
            channel = open_channel(server)
        except BootstrapError:
            # Its certificates cannot be read: said when its turn comes.
            return False
        with contextlib.closing(channel):
            check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{HEALTH_SERVICE}/Check")
            self._attempt = attempt = check.future(b"", timeout=_ANSWER_S)
            try:
                serving = attempt.result() == _SERVING
            except grpc.FutureCancelledError:
                return False
            except grpc.RpcError as error:
                # Not every control plane has a health service; one that says so is there.
                serving = error.code() not in _NOBODY
        return serving and not self._stopped.is_set()
