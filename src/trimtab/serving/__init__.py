"""Inside a backend pod: warm-up before the first call, drain before the last, and load reports in between.

load = serving.Load(capacity=8)
server = grpc.aio.server(interceptors=[serving.AioLoadInterceptor(load)])
...
async with serving.lifecycle(server, load=load, warmup=warmup, health=serving.Health("shop.Shop")):
    await server.wait_for_termination()
"""

from ..errors import ServeError, WarmupError
from .asgi import AsgiLifecycle
from .drain import Drain
from .health import Health, Phase
from .interceptors import AioLoadInterceptor, LoadInterceptor
from .lifecycle import AioLifecycle, SyncLifecycle, lifecycle
from .load import Load
from .steps import listening, repeated
from .warmup import OnFailure, Readiness, Step, StepState, Warmup

__all__ = [
    "AioLifecycle",
    "AioLoadInterceptor",
    "AsgiLifecycle",
    "Drain",
    "Health",
    "Load",
    "LoadInterceptor",
    "OnFailure",
    "Phase",
    "Readiness",
    "ServeError",
    "Step",
    "StepState",
    "SyncLifecycle",
    "Warmup",
    "WarmupError",
    "lifecycle",
    "listening",
    "repeated",
]
