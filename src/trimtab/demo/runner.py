"""The course of the demonstration: scenario by scenario, contender by contender, everything fresh for each."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from .backends import Backends, running_backends
from .client_plan import ClientPlan, Sample
from .clients import ClientProcesses, running_clients
from .contenders import CONTENDERS
from .control_plane import running_control_plane
from .manifests import write_manifests
from .outcome import Outcome
from .pod import Pod, reserved_pods
from .scenario import SLOWDOWN, Scenario
from .settings import Settings
from .view import Progress, View
from .workload import WARM_UP_S, Load

_CLIENT_PROCESSES: Final = 4
_LEAD_S: Final = 0.2
"""Between telling the clients when to start and the first request."""
_LOOK_EVERY_S: Final = 0.25


async def demonstrate(settings: Settings, view: View) -> list[list[Outcome]]:
    """Run what `settings` ask for: for each scenario, every contender's outcome. Raises DemoError.

    However it ends, cancelled included, no process and no file remains.
    """
    with TemporaryDirectory(prefix="trimtab-demo-") as folder, reserved_pods(settings.backends) as pods:
        async with running_backends(pods, Path(folder)) as backends:
            scenarios = [Scenario.named(name, len(pods)) for name in settings.scenarios]
            return [
                [await _Run(settings, scenario, name, backends, Path(folder), view).measure() for name in CONTENDERS]
                for scenario in scenarios
            ]


class _Run:
    """One contender in one scenario."""

    def __init__(
        self, settings: Settings, scenario: Scenario, contender: str, backends: Backends, folder: Path, view: View
    ) -> None:
        self._settings = settings
        self._scenario = scenario
        self._contender = contender
        self._backends = backends
        self._folder = folder
        self._manifests = folder / "manifests"
        self._view = view
        self._samples: list[Sample] = []

    async def measure(self) -> Outcome:
        self._view.begin(self._scenario, self._contender)
        self._manifests.mkdir(exist_ok=True)
        write_manifests(self._manifests, self._initial)
        await self._backends.reset()
        async with AsyncExitStack() as processes:
            control_plane = None
            if self._contender == "trimtab":
                control_plane = await processes.enter_async_context(
                    running_control_plane(self._manifests, self._folder)
                )
            clients = await processes.enter_async_context(running_clients(self._plans(control_plane), self._folder))
            outcome = await self._under_load(clients)
        self._view.end(outcome)
        return outcome

    async def _under_load(self, clients: ClientProcesses) -> Outcome:
        start_at = time.monotonic() + _LEAD_S + WARM_UP_S
        try:
            async with asyncio.TaskGroup() as tasks:
                midway = tasks.create_task(self._midway(start_at + self._settings.duration_s / 2))
                watching = tasks.create_task(self._watch(start_at))
                await clients.send_all(start_at, self._samples.extend)
                watching.cancel()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        changed_at, received_before = midway.result()
        return await self._outcome(changed_at, received_before)

    async def _midway(self, moment: float) -> tuple[float, dict[str, int]]:
        """Make the scenario's event happen; when it did, and what every pod had received until then."""
        await asyncio.sleep(moment - time.monotonic())
        received = await self._received()
        if self._scenario.slowed:
            await self._backends.slow_down(self._scenario.slowed, SLOWDOWN)
        if self._scenario.joining:
            write_manifests(self._manifests, self._backends.pods)
        return time.monotonic(), received

    async def _watch(self, start_at: float) -> None:
        while self._view.wants_progress:
            received = await self._received()
            elapsed_s = time.monotonic() - start_at
            self._view.show(
                Progress(self._scenario, self._contender, elapsed_s, self._settings.duration_s, received, self._samples)
            )
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _received(self) -> dict[str, int]:
        return {pod.authority: report.received for pod, report in (await self._backends.reports()).items()}

    async def _outcome(self, changed_at: float, received_before: dict[str, int]) -> Outcome:
        reports = await self._backends.reports()
        joined = [reports[pod].first_served_at for pod in self._backends.pods[self._scenario.initial :]]
        served = [moment for moment in joined if moment is not None]
        return Outcome(
            contender=self._contender,
            scenario=self._scenario,
            duration_s=self._settings.duration_s,
            samples=self._samples,
            received={pod.authority: report.received for pod, report in reports.items()},
            received_before=received_before,
            new_endpoint_first_request_s=max(served) - changed_at if joined and len(served) == len(joined) else None,
        )

    @property
    def _initial(self) -> Sequence[Pod]:
        return self._backends.pods[: self._scenario.initial]

    def _plans(self, control_plane: str | None) -> list[ClientPlan]:
        """The clients dealt out over a few processes."""
        settings = self._settings
        processes = min(_CLIENT_PROCESSES, settings.clients)
        return [
            ClientPlan(
                contender=self._contender,
                seed=settings.seed,
                clients=settings.clients,
                mine=tuple(range(first, settings.clients, processes)),
                load=Load.of(settings.backends, settings.duration_s),
                endpoints=tuple(pod.authority for pod in self._initial),
                control_plane=control_plane,
            )
            for first in range(processes)
        ]
