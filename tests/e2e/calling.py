"""A client process that calls as it is told: JSON lines in on stdin, out on stdout. Imports nothing but gRPC.

`{"call": 100, "to": TARGET}` makes calls and says who answered. `{"begin": TARGET}` goes on calling until `{"end": TARGET}`
asks how it went; `{"so_far": TARGET}` asks in between.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

WHO = "/echo.Echo/Who"
CALL_TIMEOUT_S = 60.0

Connect = Callable[..., Any]
"""`connect(target, options=...)` gives a channel."""


class Tally:
    """Who answered how often, and what went wrong."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.slowest_s = 0.0

    def report(self) -> dict[str, Any]:
        return {"answers": self.answers, "errors": self.errors, "slowest_s": self.slowest_s}


class Caller:
    """Channels by target, and the load on each."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._channels: dict[tuple[str, str | None], Any] = {}
        self._loads: dict[str, tuple[Tally, asyncio.Event, asyncio.Task[None]]] = {}

    async def obey(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do as told, and say how it went."""
        match message:
            case {"call": count, "to": target}:
                return await self._call(count, self._channel(target, message), **message)
            case {"begin": target}:
                tally, stop = Tally(), asyncio.Event()
                channel = self._channel(target, message)
                load = asyncio.create_task(self._load(channel, message["parallel"], message["pause_s"], tally, stop))
                self._loads[target] = tally, stop, load
                return {"begun": target}
            case {"so_far": target}:
                return self._loads[target][0].report()
            case {"end": target}:
                tally, stop, load = self._loads.pop(target)
                stop.set()
                await load
                return tally.report()
        raise ValueError(f"what is {message}?")

    def _channel(self, target: str, message: dict[str, Any]) -> Any:
        key = target, message.get("authority")
        if key not in self._channels:
            options = [("grpc.default_authority", key[1])] if key[1] else []
            self._channels[key] = self._connect(target, options=options)
        return self._channels[key]

    async def _call(self, count: int, channel: Any, parallel: int = 4, metadata: Any = (), **_: Any) -> dict[str, Any]:
        tally = Tally()
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await _call_once(channel, tally, tuple(map(tuple, metadata)))

        await asyncio.gather(*(work() for _ in range(parallel)))
        return tally.report()

    async def _load(self, channel: Any, parallel: int, pause_s: float, tally: Tally, stop: asyncio.Event) -> None:
        async def work() -> None:
            while not stop.is_set():
                await _call_once(channel, tally)
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(work() for _ in range(parallel)))


async def _call_once(channel: Any, tally: Tally, metadata: Any = ()) -> None:
    began = time.monotonic()
    try:
        answer = await channel.unary_unary(WHO)(b"", timeout=CALL_TIMEOUT_S, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        tally.errors[f"{error.code().name}: {error.details()}"] += 1
    else:
        tally.answers[answer.decode()] += 1
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - began)


async def _requests() -> AsyncIterator[dict[str, Any]]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        yield json.loads(line)


async def obey(connect: Connect) -> None:
    """Do as told for as long as anybody tells."""
    caller = Caller(connect)
    async for message in _requests():
        sys.stdout.write(json.dumps(await caller.obey(message)) + "\n")
        sys.stdout.flush()
