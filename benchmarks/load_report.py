"""What it costs a server to count a call and to send its load with it, without any call around it."""

import time

from rich.console import Console

from trimtab.serving import Load
from trimtab.serving.counted import Served

from .contest import Measure, interleave
from .report import print_contest

CALLS = 5_000
ROUNDS = 30


class _Context:
    """As much of a servicer context as is asked for, and as cheap as can be."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "bench"),)

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return ()

    def set_trailing_metadata(self, metadata: object) -> None:
        pass

    def code(self) -> int:
        return 0


async def run(console: Console) -> None:
    """A call counted and not reported, and counted and reported."""
    contest = await interleave({"counted": _counted(), "counted and reported": _reported()}, ROUNDS)
    print_contest(console, "One call's share of knowing the load", "µs", contest, baseline="counted")


def _counted() -> Measure:
    load = Load(capacity=8)

    async def measure() -> float:
        started = time.process_time()
        for _ in range(CALLS):
            load.begin().end(failed=False)
        return (time.process_time() - started) / CALLS * 1e6

    return measure


def _reported() -> Measure:
    load, context = Load(capacity=8), _Context()

    async def measure() -> float:
        started = time.process_time()
        for _ in range(CALLS):
            with Served(load, load.begin(), context):
                pass
        return (time.process_time() - started) / CALLS * 1e6

    return measure
