"""One contender in one scenario: the load, and what happens meanwhile."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from .backends import Backends
from .client_plan import ClientPlan, Sample
from .clients import ClientProcesses, running_clients
from .control_plane import running_control_plane
from .manifests import write_manifests
from .outcome import Outcome
from .pod import Pod
from .scenario import BALANCERS, SLOWDOWN, Scenario
from .settings import Settings
from .view import Progress, View
from .workload import WARM_UP_S, Load

_CLIENT_PROCESSES: Final = 4
_LEAD_S: Final = 0.2
"""Between telling the clients when to start and the first request."""
_LOOK_EVERY_S: Final = 0.25


class Run(ABC):
    """What all scenarios have in common: control plane, clients, load, and somebody who watches."""

    def __init__(self, settings: Settings, scenario: Scenario, contender: str, folder: Path, view: View) -> None:
        self.scenario = scenario
        self.contender = contender
        self.folder = folder
        self.manifests = folder / "manifests"
        self.samples: list[Sample] = []
        self.duration_s = settings.duration_s or scenario.default_duration_s
        self._settings = settings
        self._view = view

    async def measure(self) -> Outcome:
        """Start what is needed, put it under load, and end it."""
        self._view.begin(self.scenario, self.contender)
        self.manifests.mkdir(exist_ok=True)
        await self.prepare()
        async with AsyncExitStack() as processes:
            control_plane = None
            # kube-proxy and round-robin know their endpoints without one.
            if self.contender not in BALANCERS[:2]:
                control_plane = await processes.enter_async_context(running_control_plane(self.manifests, self.folder))
            clients = await processes.enter_async_context(running_clients(self._plans(control_plane), self.folder))
            outcome = await self._under_load(clients)
        self._view.end(outcome)
        return outcome

    @property
    @abstractmethod
    def initial(self) -> Sequence[Pod]:
        """The pods there are at the start."""

    @abstractmethod
    async def prepare(self) -> None:
        """Bring pods and manifests to where the scenario begins."""

    @abstractmethod
    async def happen(self) -> None:
        """The scenario's event. Cancelled if it goes on when the load has ended."""

    @abstractmethod
    async def received(self) -> dict[str, int]:
        """Measured requests that arrived at each pod, by `address:port`."""

    @abstractmethod
    async def outcome(self) -> Outcome:
        """What was measured, when the load has ended."""

    async def _under_load(self, clients: ClientProcesses) -> Outcome:
        start_at = time.monotonic() + _LEAD_S + WARM_UP_S
        try:
            async with asyncio.TaskGroup() as tasks:
                happening = tasks.create_task(self._midway(start_at + self.scenario.event_at_s(self.duration_s)))
                watching = tasks.create_task(self._watch(start_at))
                await clients.send_all(start_at, self.samples.extend)
                watching.cancel()
                happening.cancel()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return await self.outcome()

    async def _midway(self, moment: float) -> None:
        await asyncio.sleep(moment - time.monotonic())
        await self.happen()

    async def _watch(self, start_at: float) -> None:
        while self._view.wants_progress:
            received = await self.received()
            elapsed_s = time.monotonic() - start_at
            self._view.show(Progress(self.scenario, self.contender, elapsed_s, self.duration_s, received, self.samples))
            await asyncio.sleep(_LOOK_EVERY_S)

    def _plans(self, control_plane: str | None) -> list[ClientPlan]:
        """The clients dealt out over a few processes."""
        settings = self._settings
        processes = min(_CLIENT_PROCESSES, settings.clients)
        return [
            ClientPlan(
                contender=self.contender,
                seed=settings.seed,
                clients=settings.clients,
                mine=tuple(range(first, settings.clients, processes)),
                load=Load.of(settings.backends, self.duration_s),
                endpoints=tuple(pod.authority for pod in self.initial),
                control_plane=control_plane,
            )
            for first in range(processes)
        ]


class FleetRun(Run):
    """A run over pods that outlive it: they are reset, slowed down, or announced later than others."""

    def __init__(
        self, settings: Settings, scenario: Scenario, contender: str, backends: Backends, folder: Path, view: View
    ) -> None:
        super().__init__(settings, scenario, contender, folder, view)
        self._backends = backends
        self._received_before: dict[str, int] = {}
        self._changed_at = 0.0

    @property
    def initial(self) -> Sequence[Pod]:
        return self._backends.pods[: self.scenario.initial]

    async def prepare(self) -> None:
        write_manifests(self.manifests, self.initial)
        await self._backends.reset()

    async def happen(self) -> None:
        self._received_before = await self.received()
        if self.scenario.slowed:
            await self._backends.slow_down(self.scenario.slowed, SLOWDOWN)
        if self.scenario.joining:
            write_manifests(self.manifests, self._backends.pods)
        self._changed_at = time.monotonic()

    async def received(self) -> dict[str, int]:
        return {pod.authority: report.received for pod, report in (await self._backends.reports()).items()}

    async def outcome(self) -> Outcome:
        reports = await self._backends.reports()
        joined = [reports[pod].first_served_at for pod in self._backends.pods[self.scenario.initial :]]
        served = [moment for moment in joined if moment is not None]
        everyone_served = bool(joined) and len(served) == len(joined)
        return Outcome(
            contender=self.contender,
            scenario=self.scenario,
            duration_s=self.duration_s,
            samples=self.samples,
            received={pod.authority: report.received for pod, report in reports.items()},
            received_before=self._received_before,
            new_endpoint_first_request_s=max(served) - self._changed_at if everyone_served else None,
        )
