"""Replacing every pod under load, as a Deployment does: new ones first, then the old ones in their place get SIGTERM."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from .child import Child, stop_all
from .manifests import write_manifests
from .outcome import Outcome
from .pod import Pod
from .run import Run
from .scenario import COLD, SLOW_START_S, WARM, Scenario
from .settings import Settings
from .view import View


class RollRun(Run):
    """A run in which the example service is replaced pod by pod. Its processes live for one contender."""

    def __init__(
        self,
        settings: Settings,
        scenario: Scenario,
        contender: str,
        old: Sequence[Pod],
        new: Sequence[Pod],
        folder: Path,
        view: View,
    ) -> None:
        super().__init__(settings, scenario, contender, folder, view)
        self._old = old
        self._new = new
        self._children: dict[Pod, Child] = {}
        self._replaced = 0
        self._processes = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start a process per pod, old and new. The new ones wait: what is to be seen is not how long Python takes to start."""
        started: list[Child] = []
        self._processes.push_async_callback(stop_all, started)

        async def start(pod: Pod) -> None:
            child = await Child.start(pod.name, self.folder, "trimtab.demo.rolled_pod", pod.authority)
            started.append(child)
            self._children[pod] = child
            await child.receive()

        try:
            await asyncio.gather(*map(start, (*self._old, *self._new)))
            await asyncio.gather(*(self._begin(pod, cold=False, load_s=0.0) for pod in self._old))
        except BaseException:
            await self._processes.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._processes.aclose()

    @property
    def initial(self) -> Sequence[Pod]:
        return self._old

    async def prepare(self) -> None:
        self._tell(self._old)

    async def happen(self) -> None:
        count = self.scenario.batch
        gone = 0
        while gone < len(self._old):
            leaving = self._old[gone : gone + count]
            joining = self._new[gone : gone + count]
            cold = self.contender != WARM
            await asyncio.gather(*(self._begin(pod, cold=cold, load_s=self.scenario.cold_start_s) for pod in joining))
            gone += len(leaving)
            # At the same moment the kubelet sends SIGTERM and the endpoint controller begins to say so.
            for pod in leaving:
                self._children[pod].terminate()
            self._tell([*self._new[:gone], *self._old[gone - len(leaving) :]], leaving)
            self._replaced = gone

    async def received(self) -> dict[str, int]:
        """By the old pod's place: what it and its replacement got."""
        counts = {pod: (await child.ask({"do": "report"}))["received"] for pod, child in self._children.items()}
        return {old.authority: counts[old] + counts[new] for old, new in zip(self._old, self._new, strict=True)}

    async def outcome(self) -> Outcome:
        return Outcome(
            contender=self.contender,
            scenario=self.scenario,
            duration_s=self.duration_s,
            samples=self.samples,
            received=await self.received(),
            received_before={},
            new_endpoint_first_request_s=None,
            replaced=self._replaced,
        )

    async def _begin(self, pod: Pod, *, cold: bool, load_s: float) -> None:
        """Let a pod start to serve; return when it says that it is ready."""
        await self._children[pod].ask({"do": "begin", "cold": cold, "load_s": load_s})

    def _tell(self, pods: Sequence[Pod], leaving: Sequence[Pod] = ()) -> None:
        policy = None if self.contender == COLD else {"slow_start_s": SLOW_START_S}
        write_manifests(self.manifests, pods, leaving, policy)
