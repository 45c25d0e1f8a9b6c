"""A process that forks: `python -m tests.client.forking CONTROL_PLANE CASE`. Parent and child print what becomes of their calls."""

import asyncio
import os
import sys
from collections.abc import Callable

import trimtab
from tests.client.service import ECHO, TARGET
from trimtab import aio
from trimtab.client.channel import SyncChannel

_TIMEOUT_S = 20.0


def call(channel: SyncChannel) -> object:
    return channel.unary_unary(ECHO)(b"hello", timeout=_TIMEOUT_S)


async def acall(channel: aio.AioChannel) -> object:
    return await channel.unary_unary(ECHO)(b"hello", timeout=_TIMEOUT_S)


def tell(who: str, work: Callable[[], object]) -> None:
    """Print what `work` returns, or what kept it from doing so."""
    try:
        told = repr(work())
    except trimtab.ForkError as error:
        told = f"ForkError: {error}"
    sys.stdout.write(f"{who}: {told}\n")
    sys.stdout.flush()


def forked(work: Callable[[], object]) -> None:
    """Do `work` in a child that ends as a Python process does."""
    if (child := os.fork()) == 0:
        tell("child", work)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"child ended: {os.waitstatus_to_exitcode(status)}\n")
    sys.stdout.flush()


def inherited(control_plane: str) -> None:
    with trimtab.channel(TARGET, control_plane=control_plane) as channel:
        tell("parent", lambda: call(channel))

        def use_and_close() -> object:
            with channel:
                return call(channel)

        forked(use_and_close)
        tell("parent", lambda: call(channel))


def opened_in_the_child(control_plane: str) -> None:
    with trimtab.channel(TARGET, control_plane=control_plane) as channel:
        tell("parent", lambda: call(channel))
        forked(lambda: call(trimtab.channel(TARGET, control_plane=control_plane)))
        tell("parent", lambda: call(channel))


def only_in_the_child(control_plane: str) -> None:
    forked(lambda: call(trimtab.channel(TARGET, control_plane=control_plane)))
    forked(lambda: asyncio.run(acall(aio.channel(TARGET, control_plane=control_plane))))


def not_started(control_plane: str) -> None:
    # As where an application is loaded before its workers are forked.
    channel = aio.channel(TARGET, control_plane=control_plane)
    forked(lambda: asyncio.run(acall(channel)))


def inherited_by_asyncio(control_plane: str) -> None:
    async def main() -> None:
        async with aio.channel(TARGET, control_plane=control_plane) as channel:
            assert await acall(channel) == b"hello"
            forked_in_a_loop(lambda: channel.unary_unary(ECHO)(b"hello"))
            forked_in_a_loop(lambda: aio.channel(TARGET, control_plane=control_plane))
            assert await acall(channel) == b"hello"

    def forked_in_a_loop(work: Callable[[], object]) -> None:
        if (child := os.fork()) == 0:
            tell("child", work)
            # As multiprocessing does: the loop that runs here is the parent's.
            os._exit(0)
        os.waitpid(child, 0)

    asyncio.run(main())


if __name__ == "__main__":
    _, where, case = sys.argv
    globals()[case](where)
