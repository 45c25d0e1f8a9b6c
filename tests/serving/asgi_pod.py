"""An ASGI application under uvicorn, as a process: `python -m tests.serving.asgi_pod PORT`.

A line on stdin opens the warm-up, the next lets `/slow` answer.
"""

import asyncio
import logging
import sys
from typing import Any

import uvicorn

from trimtab import serving

_slow = asyncio.Event()
_entered = asyncio.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        sys.stdout.write("slow\n")
        sys.stdout.flush()
        asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline).add_done_callback(lambda _: _slow.set())
        await _slow.wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def main(port: int) -> None:
    warmup = serving.Warmup()
    warmup.step("stdin", lambda: sys.stdin.readline())
    lifecycle = serving.AsgiLifecycle(
        app, warmup=warmup, load=serving.Load(capacity=4), drain=serving.Drain(0.5, 20, 5), report_load=True
    )
    logging.basicConfig(level=logging.INFO)
    uvicorn.run(lifecycle, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
