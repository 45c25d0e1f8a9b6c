"""A few clients of the shop, as a process: `python -m trimtab.demo.client_worker`.

Told a ClientPlan, it connects, says that it is ready, is told when to start, and streams samples until every request
has ended. Nothing is dropped: a request still queued when the load ends is waited for, up to its deadline.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final

import grpc.aio

from . import shop
from .client_plan import DEADLINE_S, ClientPlan, Sample
from .contenders import CONTENDERS, Surroundings
from .parent import Inbox, say, while_parent_lives
from .workload import Arrival, arrivals

_REPORT_EVERY_S: Final = 0.25
_CONNECT_WITHIN_S: Final = 10.0


class Clients:
    """The clients of this process, each with a channel of its own."""

    def __init__(self, plan: ClientPlan) -> None:
        self._plan = plan
        self._calls: dict[int, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._unreported: list[Sample] = []

    async def connect(self, channels: AsyncExitStack) -> None:
        """Open every client's channel and wait for its first connection."""
        plan = self._plan
        opened = []
        for client in plan.mine:
            around = Surroundings(client, plan.seed, plan.endpoints, plan.control_plane)
            channel = await channels.enter_async_context(CONTENDERS[plan.contender](around))
            self._calls[client] = channel.unary_unary(f"/{shop.GRPC_SERVICE}/{shop.GRPC_METHOD}")
            opened.append(channel.channel_ready())
        await asyncio.wait_for(asyncio.gather(*opened), _CONNECT_WITHIN_S)

    async def send_all(self, start_at: float) -> None:
        """Send everything at its moment; return when the last request has ended."""
        plan = self._plan
        async with asyncio.TaskGroup() as requests:
            for arrival in arrivals(plan.load, plan.seed, plan.clients, plan.mine):
                await _sleep_until(start_at + arrival.at_s)
                requests.create_task(self._send(arrival, start_at))

    async def _send(self, arrival: Arrival, start_at: float) -> None:
        intended = start_at + arrival.at_s
        sent = time.monotonic()
        code = await self._outcome(arrival)
        if arrival.order.measured:
            self._unreported.append(Sample(arrival.at_s, time.monotonic() - intended, code, sent - intended))

    async def _outcome(self, arrival: Arrival) -> str:
        try:
            await self._calls[arrival.client](arrival.order.encode(), timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return grpc.StatusCode.OK.name

    async def report_forever(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            self.report(done=False)

    def report(self, *, done: bool) -> None:
        """Tell the demo how the requests went that ended since the last report."""
        samples, self._unreported = self._unreported, []
        say({"samples": samples, "done": done})


async def _sleep_until(moment: float) -> None:
    wait_s = moment - time.monotonic()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


async def work(inbox: Inbox) -> None:
    clients = Clients(ClientPlan.from_json(await inbox.get()))
    async with AsyncExitStack() as channels:
        await clients.connect(channels)
        say({"ready": True})
        start_at = (await inbox.get())["start_at"]
        reporting = asyncio.create_task(clients.report_forever())
        await clients.send_all(start_at)
        reporting.cancel()
        clients.report(done=True)


if __name__ == "__main__":
    asyncio.run(while_parent_lives(work))
