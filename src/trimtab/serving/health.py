"""Whether this pod wants calls: said in one place, seen by the health service, the HTTP probe and the streams that must end."""

import asyncio
import contextlib
import enum
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial

from ..errors import ServeError
from ..xds.health import ServingStatus


class Phase(enum.Enum):
    """Where a pod is in its life."""

    WARMING_UP = "warming up"
    READY = "ready"
    FAILED = "warm-up failed"
    """Not ready, and not about to be unless the failed steps succeed when they are tried again."""
    DRAINING = "draining"
    """Told to go: serves whoever still calls, and wants no one new."""
    STOPPED = "stopped"


_ENDING = (Phase.DRAINING, Phase.STOPPED)


class Health:
    """The phase of the pod, and what each of its services adds to it. Any thread may ask and tell."""

    def __init__(self, *services: str) -> None:
        """`services` are the full names of the gRPC services that health checks may name, such as `shop.Shop`."""
        self._down = dict.fromkeys(("", *services), False)
        self._phase = Phase.WARMING_UP
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], object]] = set()

    @property
    def phase(self) -> Phase:
        """Where the pod is in its life."""
        return self._phase

    def become(self, phase: Phase) -> bool:
        """Enter `phase`; False if that cannot be any more: from DRAINING on there is no way back."""
        with self._lock:
            if self._phase is Phase.STOPPED or (self._phase in _ENDING and phase not in _ENDING):
                return False
            self._phase = phase
        self._tell()
        return True

    def set(self, service: str, *, serving: bool) -> None:
        """Say that one service cannot serve although the pod is ready, or can again; empty: the server as a whole.

        Raises ServeError for a service that was not named at the start.
        """
        if service not in self._down:
            known = ", ".join(repr(name) for name in self._down if name) or "none"
            raise ServeError(f"health: there is no service {service!r}; name it in Health(…), which has {known}")
        self._down[service] = not serving
        self._tell()

    def status(self, service: str = "") -> ServingStatus:
        """What grpc.health.v1 answers for `service`."""
        if service not in self._down:
            return ServingStatus.SERVICE_UNKNOWN
        up = self._phase is Phase.READY and not self._down[""] and not self._down[service]
        return ServingStatus.SERVING if up else ServingStatus.NOT_SERVING

    async def watch(self, service: str) -> AsyncGenerator[ServingStatus, None]:
        """The status of `service` now and whenever it changes, until the pod stops."""
        told: ServingStatus | None = None
        with self._watching() as changed:
            while self._phase is not Phase.STOPPED:
                changed.clear()
                if (status := self.status(service)) is not told:
                    told = status
                    yield status
                await changed.wait()

    async def reached(self, *phases: Phase) -> None:
        """Return once the pod is in one of `phases`, at the latest when it stops."""
        with self._watching() as changed:
            while self._phase not in phases and self._phase is not Phase.STOPPED:
                changed.clear()
                await changed.wait()

    @contextlib.contextmanager
    def _watching(self) -> Iterator[asyncio.Event]:
        """An event that is set in this loop after every change."""
        changed = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
        self._watchers.add(wake)
        try:
            yield changed
        finally:
            self._watchers.discard(wake)

    def _tell(self) -> None:
        for wake in tuple(self._watchers):
            # The watcher's loop may have ended without it.
            with contextlib.suppress(RuntimeError):
                wake()
