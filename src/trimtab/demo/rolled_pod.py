"""One pod of the example service with the cold start, as a process: `python -m trimtab.demo.rolled_pod ADDRESS:PORT`.

It begins to serve when told to, says when it is ready, and drains at SIGTERM. It answers the demo's questions before and after.
"""

import asyncio
import importlib.util
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from .. import serving
from ..errors import DemoError
from . import shop
from .parent import Inbox, say, while_parent_lives

_DRAIN: Final = serving.Drain(quiet_s=2.0, limit_s=20.0, finish_s=5.0)
_PLACES: Final = (
    # In a wheel beside this file, in a checkout where examples are.
    Path(__file__).parent / "examples/cold_start/service.py",
    Path(__file__).parents[3] / "examples/cold_start/service.py",
)


def example() -> Any:
    """The example service's module. Raises DemoError."""
    for place in _PLACES:
        if place.is_file():
            spec = importlib.util.spec_from_file_location("cold_start_service", place)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise DemoError(f"the example service is not installed: there is no {_PLACES[0]}; install trimtab from a wheel")


class Pod:
    """The example service, and the count of what it was asked."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._received = 0
        self._service = example()
        self._serving: asyncio.Task[None] | None = None

    async def obey(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the demo says, and report."""
        match message:
            case {"do": "begin", "cold": bool(cold), "load_s": load_s}:
                await self._begin(cold, load_s)
        return {"received": self._received}

    async def _begin(self, cold: bool, load_s: float) -> None:
        health = serving.Health(shop.GRPC_SERVICE)
        place_order = (inner := self._service.Shop(load_s)).place_order

        async def counted(request: bytes, context: object) -> bytes:
            self._received += len(request) == shop.Order.SIZE and shop.Order.decode(request).measured
            answer: bytes = await place_order(request, context)
            return answer

        inner.place_order = counted
        serve = self._service.serve(
            self._authority, cold=cold, shop=inner, health=health, drain=_DRAIN, options=[("grpc.so_reuseport", 1)]
        )
        self._serving = asyncio.create_task(serve)
        ready = asyncio.create_task(health.reached(serving.Phase.READY))
        await asyncio.wait({self._serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._serving.done():
            await self._serving


async def work(authority: str, inbox: Inbox) -> None:
    pod = Pod(authority)
    say({"waiting": authority})
    while True:
        say(await pod.obey(await inbox.get()))


if __name__ == "__main__":
    asyncio.run(while_parent_lives(partial(work, sys.argv[1])))
