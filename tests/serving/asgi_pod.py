"""An ASGI application for a server to run, such as `python -m uvicorn tests.serving.asgi_pod:lifecycle --port PORT`.

The first line on stdin opens the warm-up, which then calls the server through PORT of the environment. Later lines let `/slow`
answer, one after the other.
"""

import asyncio
import logging
import os
import sys
import urllib.request
from typing import Any

from trimtab import serving

ADDRESS = f"127.0.0.1:{os.environ.get('PORT', '8000')}"


async def app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        sys.stdout.write("slow\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def call_myself() -> None:
    with urllib.request.urlopen(f"http://{ADDRESS}/", timeout=60) as response:
        assert response.read() == b"hello"


def _warmup() -> serving.Warmup:
    warmup = serving.Warmup()
    # If this asked a port that is not open yet, the pod would be unready for another ten minutes.
    warmup.retry_s = 600
    warmup.step("port", serving.listening(ADDRESS))
    warmup.step("requests", serving.repeated(call_myself, 5), after=["port"])
    warmup.step("stdin", lambda: sys.stdin.readline(), timeout_s=600)
    return warmup


logging.basicConfig(level=logging.INFO)
lifecycle = serving.AsgiLifecycle(
    app, warmup=_warmup(), load=serving.Load(capacity=4), drain=serving.Drain(0.5, 120, 5, repeat_s=0), report_load=True
)
