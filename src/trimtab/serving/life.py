"""A pod's life: start, warm up, serve, drain, stop. What kind of server it is, is somebody else's business."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from .drain import Drain
from .health import Health, Phase
from .load import Load
from .probe import Probe
from .warmup import Readiness, Warmup

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.05
"""While draining."""


class Served(Protocol):
    """A server, as far as its life is concerned."""

    async def start(self) -> None:
        """Serve."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and give those under way `grace_s`."""
        ...


class Life:
    """Takes one server through its life, in one event loop."""

    def __init__(
        self,
        server: Served,
        *,
        warmup: Warmup | None,
        health: Health,
        load: Load,
        drain: Drain,
        probe: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.health = health
        self._server = server
        self._warmup = warmup
        self._load = load
        self._drain = drain
        self._probe_address = probe
        self._clock = clock
        self.probe: Probe | None = None
        self._warming: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._told_at = 0.0
        self._hurry = asyncio.Event()

    async def begin(self) -> None:
        """Start the server and the probe; the warm-up begins. Raises ServeError."""
        if self._probe_address is not None:
            self.probe = Probe(self._probe_address, self.health, self._warmup)
        try:
            await self._server.start()
        except BaseException:
            self._end_probe()
            raise
        self._warming = asyncio.create_task(self._warm_up(), name="trimtab warm-up")

    def depart(self) -> None:
        """Begin to drain, as SIGTERM asks for; asked again later than the drain's `repeat_s`, stop now."""
        if self._draining is None:
            self._told_at = self._clock()
            self._draining = asyncio.create_task(self._leave(), name="trimtab drain")
        elif self._clock() - self._told_at < self._drain.repeat_s:
            logger.info("told to go again within %g s: taken for the same word", self._drain.repeat_s)
        else:
            self._hurry.set()

    async def end(self) -> None:
        """Drain, and return when the server has stopped."""
        if self._draining is None:
            self.depart()
        assert self._draining is not None
        await self._draining

    async def abandon(self) -> None:
        """Stop without waiting for anybody."""
        self._hurry.set()
        await self.end()

    async def _warm_up(self) -> None:
        if self._warmup is None:
            self.health.become(Phase.READY)
            return
        began_at = self._clock()
        while (readiness := await self._warmup.run()) is Readiness.UNREADY:
            self.health.become(Phase.FAILED)
            logger.error("warm-up failed: not ready, trying again in %g s", self._warmup.retry_s)
            await asyncio.sleep(self._warmup.retry_s)
            self.health.become(Phase.WARMING_UP)
        if readiness is Readiness.RAMPED:
            self._load.ramp(self._warmup.ramp_s)
        if self.health.become(Phase.READY):
            logger.info("%s after %.2f s", readiness.value, self._clock() - began_at)

    async def _leave(self) -> None:
        was_ready = self.health.phase is Phase.READY
        self.health.become(Phase.DRAINING)
        if self._warming is not None:
            self._warming.cancel()
        begun_at = self._clock()
        logger.info("draining, %d in flight", self._load.in_flight)
        if was_ready:
            await self._until_moved(begun_at)
        # Ends the streams of health checks and load reports, which would hold up the server.
        self.health.become(Phase.STOPPED)
        left = self._load.in_flight
        finish_s = 0.0 if self._hurry.is_set() else self._drain.finish_s
        stopping = asyncio.create_task(self._server.stop(finish_s))
        hurrying = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({stopping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            await self._server.stop(0.0)
        hurrying.cancel()
        await stopping
        self._end_probe()
        logger.info("stopped after %.2f s, %d were in flight at the end", self._clock() - begun_at, left)

    async def _until_moved(self, begun_at: float) -> None:
        while not self._hurry.is_set():
            load = self._load
            left_s = self._drain.remaining_s(self._clock(), begun_at, load.last_arrival_at, load.in_flight)
            if not left_s:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), min(left_s, _LOOK_EVERY_S))

    def _end_probe(self) -> None:
        if self.probe is not None:
            self.probe.stop()
