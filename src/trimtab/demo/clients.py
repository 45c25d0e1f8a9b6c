"""All clients of one run, spread over a few processes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from .child import Child, stop_all
from .client_plan import ClientPlan, Sample


class ClientProcesses:
    """All clients of one run, connected and waiting for the start."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children

    async def send_all(self, start_at: float, take: Callable[[Sequence[Sample]], None]) -> None:
        """Send the whole load, measured from `start_at` on; hand over samples as they come, until the last."""
        await asyncio.gather(*(self._collect(child, start_at, take) for child in self._children))

    @staticmethod
    async def _collect(child: Child, start_at: float, take: Callable[[Sequence[Sample]], None]) -> None:
        child.send({"start_at": start_at})
        done = False
        while not done:
            report = await child.receive()
            take([Sample(*sample) for sample in report["samples"]])
            done = report["done"]


@asynccontextmanager
async def running_clients(plans: Sequence[ClientPlan], folder: Path) -> AsyncIterator[ClientProcesses]:
    """Start a process per plan, wait until all are connected, and end them after the block."""
    children: list[Child] = []

    async def start(number: int, plan: ClientPlan) -> None:
        child = await Child.start(f"clients-{number}", folder, "trimtab.demo.client_worker")
        children.append(child)
        await child.ask(asdict(plan))

    try:
        await asyncio.gather(*(start(number, plan) for number, plan in enumerate(plans, start=1)))
        yield ClientProcesses(children)
    finally:
        await stop_all(children)
