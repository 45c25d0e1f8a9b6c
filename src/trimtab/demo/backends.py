"""All pods of the demonstration, running."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .child import Child, stop_all
from .pod import Pod


@dataclass(frozen=True, slots=True)
class PodReport:
    """What a pod says about itself."""

    received: int
    """Measured requests that arrived at it."""
    first_served_at: float | None
    """When it answered its first request, on the system's monotonic clock; None if it has not."""


class Backends:
    """The pods' processes. Raises DemoError from any method if one has ended."""

    def __init__(self, pods: Sequence[Pod], children: Sequence[Child]) -> None:
        self.pods = pods
        self._children = children

    async def reset(self) -> None:
        """Back to the start: normal speed, nothing counted."""
        await self._ask_all({"do": "reset"})

    async def slow_down(self, count: int, factor: float) -> None:
        """From now on the first `count` pods take `factor` times as long for each request they begin."""
        await asyncio.gather(*(child.ask({"do": "slow down", "factor": factor}) for child in self._children[:count]))

    async def reports(self) -> dict[Pod, PodReport]:
        """What every pod has seen since the last reset."""
        answers = await self._ask_all({"do": "report"})
        return {pod: PodReport(**answer) for pod, answer in zip(self.pods, answers, strict=True)}

    async def _ask_all(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        return await asyncio.gather(*(child.ask(message) for child in self._children))


@asynccontextmanager
async def running_backends(pods: Sequence[Pod], folder: Path) -> AsyncIterator[Backends]:
    """Start a process per pod, wait until all serve, and end them after the block."""
    children: list[Child] = []

    async def start(pod: Pod) -> None:
        children.append(child := await Child.start(pod.name, folder, "trimtab.demo.backend", pod.authority))
        await child.receive()
        order[pod] = child

    order: dict[Pod, Child] = {}
    try:
        await asyncio.gather(*map(start, pods))
        yield Backends(pods, [order[pod] for pod in pods])
    finally:
        await stop_all(children)
