"""What may happen to calls and their channel, as schedules for property tests."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import grpc
import grpc.aio
from hypothesis import strategies as st

from tests.client.service import ARITIES

ALL = 3
"""How many backends there are."""
WAY = "way"
"""The metadata that tells interceptors what to do: `before`, `after`, `twice`, `answer`; anything else passes."""


class Mistake(Exception):
    """Of an interceptor."""


class Fate(Enum):
    """What the owner of a call does with it."""

    FINISH = auto()
    ASK_TWICE = auto()
    DEADLINE = auto()
    CANCEL = auto()
    READ_ONE_AND_CANCEL = auto()
    READ_ONE_AND_DROP = auto()
    DROP = auto()
    HOLD = auto()
    """Come back to it when the schedule is over."""

    @property
    def reads_one(self) -> bool:
        return self in (Fate.READ_ONE_AND_CANCEL, Fate.READ_ONE_AND_DROP)

    @property
    def cancels(self) -> bool:
        return self in (Fate.CANCEL, Fate.READ_ONE_AND_CANCEL)

    @property
    def drops(self) -> bool:
        return self in (Fate.DROP, Fate.READ_ONE_AND_DROP)


@dataclass(frozen=True)
class Start:
    """A call is started."""

    arity: str
    request: bytes
    fate: Fate
    way: str
    patient: bool
    """It waits for ready, and so may wait for a change that comes later in the schedule: nobody waits for it before."""
    one_by_one: bool
    """Its requests are written one by one, where it has several."""

    @property
    def streams(self) -> bool:
        return self.arity.endswith("stream")

    @property
    def written(self) -> bool:
        return self.one_by_one and self.arity.startswith("stream")

    @property
    def awaited(self) -> bool:
        """Whether its end comes by itself, and is waited for before the schedule goes on."""
        ends = self.request != b"slow" and not self.patient
        return ends and self.fate in (Fate.FINISH, Fate.ASK_TWICE)

    @property
    def read(self) -> bool:
        return self.streams and self.fate.reads_one and self.request != b"slow" and not self.patient

    @property
    def options(self) -> dict[str, Any]:
        timeout = 0.02 if self.fate is Fate.DEADLINE else 60
        # Who writes one by one writes for one call: two would share what is written.
        way = "pass" if self.written and self.way == "twice" else self.way
        return {"timeout": timeout, "wait_for_ready": self.patient, "metadata": ((WAY, way),)}


@dataclass(frozen=True)
class Resize:
    """The service changes under its calls."""

    backends: int


class Event(Enum):
    """What happens to all calls that are held."""

    CANCEL_ALL = auto()
    CLOSE = auto()
    """The channel is closed. The next call is made with another one."""


starts = st.builds(
    Start,
    st.sampled_from(ARITIES),
    st.sampled_from([b"hello", b"fail", b"slow"]),
    st.sampled_from(Fate),
    st.sampled_from(["pass", "before", "after", "twice", "answer"]),
    st.booleans(),
    st.booleans(),
)
# Between most calls nothing happens, as closing the channel ends also what would go on for ever.
events = st.sampled_from([None] * 8 + [Resize(count) for count in range(ALL + 1)] + list(Event))
schedules = st.lists(st.tuples(starts, events), min_size=3, max_size=10).map(
    lambda steps: [event for step in steps for event in step if event is not None]
)


def _way(details: Any) -> str:
    return str(dict(tuple(details.metadata or ())).get(WAY, ""))


async def _behave(continuation: Callable[..., Any], details: Any, request: Any) -> Any:
    way = _way(details)
    if way == "before":
        raise Mistake
    call = await continuation(details, request)
    if way == "after":
        raise Mistake
    return await continuation(details, request) if way == "twice" else call


async def _unary(self: object, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
    return b"mine" if _way(details) == "answer" else await _behave(continuation, details, request)


async def _streamed(self: object, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
    async def mine() -> Any:
        yield b"mine"

    return mine() if _way(details) == "answer" else await _behave(continuation, details, request)


def _sync(self: object, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
    way = _way(details)
    if way == "before":
        raise Mistake
    call = continuation(details, request)
    if way == "after":
        raise Mistake
    return continuation(details, request) if way == "twice" else call


def _interceptors(module: Any, unary: Any, streamed: Any) -> list[Any]:
    kinds = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")
    return [
        type(
            kind,
            (getattr(module, f"{kind}ClientInterceptor"),),
            {f"intercept_{arity}": streamed if arity.endswith("stream") else unary},
        )()
        for kind, arity in zip(kinds, ARITIES, strict=True)
    ]


AIO_INTERCEPTORS = _interceptors(grpc.aio, _unary, _streamed)
SYNC_INTERCEPTORS = _interceptors(grpc, _sync, _sync)
