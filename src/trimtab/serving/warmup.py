"""What a pod does before it takes calls: load, connect, prime caches, send itself requests.

A Pod that is ready gets its share of calls at once, and the first of them pay for everything that happens lazily. Steps
do that before the pod says that it is ready.
"""

import asyncio
import enum
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..errors import WarmupError
from .daemon import in_daemon_thread
from .given import check_function, check_number

logger = logging.getLogger(__name__)

Run = Callable[[], Awaitable[object] | object]
"""What a step does: a coroutine function, or a callable that may block and gets a thread of its own."""


class OnFailure(enum.Enum):
    """What a pod does when a step has failed."""

    STAY_UNREADY = "stay unready"
    """Take no calls; try the failed steps again."""
    SERVE_RAMPED = "serve ramped"
    """Take calls, but report a load that starts high and falls, so that clients that weigh by load come slowly.

    It needs a `Load` with a capacity or a utilisation, and such clients: `p2c` is none.
    """


class StepState(enum.Enum):
    """How far a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True)
class Step:
    """One thing to do, and how far it is."""

    name: str
    run: Run
    after: tuple[str, ...]
    timeout_s: float
    on_failure: OnFailure
    state: StepState = StepState.WAITING
    began_at: float = 0.0
    """On the warm-up's clock, once it runs."""
    took_s: float = 0.0
    """Once it has ended."""
    why: str = ""
    """What went wrong; empty: nothing did."""


class Readiness(enum.Enum):
    """What became of a warm-up."""

    READY = "ready"
    RAMPED = "ready, in spite of a failed step"
    UNREADY = "not ready"


class Warmup:
    """Named steps. Those that depend on nothing run side by side."""

    def __init__(
        self,
        *,
        on_failure: OnFailure = OnFailure.STAY_UNREADY,
        retry_s: float = 10.0,
        ramp_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`retry_s`: how long an unready pod waits before it tries failed steps again.

        `ramp_s`: how long a pod that serves in spite of a failed step takes to report its true load. Raises WarmupError.
        """
        check_number(retry_s, "warm-up: retry_s", WarmupError, above_0=True)
        check_number(ramp_s, "warm-up: ramp_s", WarmupError)
        _check_policy(on_failure, "warm-up")
        self.on_failure = on_failure
        self.retry_s = retry_s
        self.ramp_s = ramp_s
        self._clock = clock
        self._steps: dict[str, Step] = {}

    def step(
        self,
        name: str,
        run: Run,
        *,
        after: Sequence[str] = (),
        timeout_s: float = 60.0,
        on_failure: OnFailure | None = None,
    ) -> None:
        """Declare a step that begins when those it comes `after` are done, and fails when it takes longer than `timeout_s`.

        Steps are declared in order, so they cannot wait for each other in a circle. Raises WarmupError.
        """
        if not (isinstance(name, str) and name):
            raise WarmupError(f"warm-up step: name: expected a string that is not empty, got {name!r}")
        if name in self._steps:
            raise WarmupError(f"warm-up step {name!r}: there is one of that name; names must differ")
        if isinstance(after, str):
            raise WarmupError(f"warm-up step {name!r}: after: expected a sequence of names, got the string {after!r}")
        for other in after:
            if other not in self._steps:
                raise WarmupError(
                    f"warm-up step {name!r}: after: there is no step {other!r} before it; declare that one first"
                )
        check_function(run, f"warm-up step {name!r}: run", WarmupError)
        check_number(timeout_s, f"warm-up step {name!r}: timeout_s", WarmupError, above_0=True)
        if on_failure is not None:
            _check_policy(on_failure, f"warm-up step {name!r}")
        self._steps[name] = Step(name, run, tuple(after), timeout_s, on_failure or self.on_failure)

    @property
    def steps(self) -> Sequence[Step]:
        """The steps and how far each is."""
        return tuple(self._steps.values())

    def elapsed_s(self, step: Step) -> float:
        """How long `step` has run, so far if it still does."""
        return self._clock() - step.began_at if step.state is StepState.RUNNING else step.took_s

    @property
    def readiness(self) -> Readiness:
        """What the steps that have failed mean for the pod, by the policy of each."""
        failed = {step.on_failure for step in self._steps.values() if step.state is StepState.FAILED}
        unfinished = {StepState.WAITING, StepState.RUNNING} & {step.state for step in self._steps.values()}
        if unfinished or OnFailure.STAY_UNREADY in failed:
            return Readiness.UNREADY
        return Readiness.RAMPED if failed else Readiness.READY

    async def run(self) -> Readiness:
        """Run every step that is not done, and return when none can go on. A second run is a second try."""
        for step in self._steps.values():
            if step.state is not StepState.DONE:
                step.state, step.why, step.took_s = StepState.WAITING, "", 0.0
        running: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            for step in self._steps.values():
                needs = [running[name] for name in step.after]
                running[step.name] = tasks.create_task(self._attempt(step, needs), name=f"trimtab warm-up {step.name}")
        return self.readiness

    async def _attempt(self, step: Step, needs: Sequence[asyncio.Task[None]]) -> None:
        if needs:
            await asyncio.wait(needs)
        if step.state is StepState.DONE:
            return
        missing = [name for name in step.after if self._steps[name].state is not StepState.DONE]
        if missing:
            step.state, step.why = StepState.SKIPPED, f"needs {', '.join(missing)}"
            logger.warning("warm-up: %s skipped: %s", step.name, step.why)
            return
        step.began_at = self._clock()
        step.state = StepState.RUNNING
        logger.info("warm-up: %s begins", step.name)
        why = await _failure(step)
        step.took_s = self._clock() - step.began_at
        step.state, step.why = (StepState.FAILED, why) if why else (StepState.DONE, "")
        if why:
            logger.error("warm-up: %s failed after %.2f s: %s", step.name, step.took_s, why)
        else:
            done = sum(other.state is StepState.DONE for other in self._steps.values())
            logger.info("warm-up: %s done in %.2f s, %d of %d", step.name, step.took_s, done, len(self._steps))


def _check_policy(on_failure: object, where: str) -> None:
    if not isinstance(on_failure, OnFailure):
        choices = " or ".join(str(choice) for choice in OnFailure)
        raise WarmupError(f"{where}: on_failure: expected {choices}, got {on_failure!r}")


async def _failure(step: Step) -> str:
    """Run the step; what went wrong, empty if nothing did."""
    timeout = asyncio.timeout(step.timeout_s)
    try:
        async with timeout:
            if inspect.iscoroutinefunction(step.run):
                await step.run()
            else:
                result = await in_daemon_thread(step.run, f"trimtab warm-up {step.name}")
                if inspect.isawaitable(result):
                    await result
    except (Exception, asyncio.CancelledError, SystemExit) as error:
        if timeout.expired():
            return f"took longer than {step.timeout_s:g} s"
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            # The pod was told to go; a step that cancels itself is a failed step.
            raise
        logger.debug("warm-up: %s", step.name, exc_info=True)
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    return ""
