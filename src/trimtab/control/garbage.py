"""The garbage collector kept out of the event loop's way.

A full collection walks over every object that could be part of a cycle: with a hundred thousand endpoints that takes a tenth of a
second, again and again while they are loaded, and finds nothing, for what is served has no cycles. References free it.
"""

import asyncio
import gc

_YOUNG, _MIDDLE, _OLD = 50_000, 20, 100
"""Thresholds (`gc.set_threshold`): a change that goes to a thousand streams is over before the first collection. Python's own
700 took an eighth of the CPU of such a push."""


LONGEST_PAUSE_S = 60.0
"""For how long nothing is collected at most. The first load takes seconds, unless what it waits for never comes; and whoever knocks
meanwhile leaves something behind."""


def pause() -> None:
    """No collections while the first load is taken in, or for `LONGEST_PAUSE_S`. Called in the event loop."""
    gc.disable()
    asyncio.get_running_loop().call_later(LONGEST_PAUSE_S, _collect)


def resume() -> None:
    """What is there stays there, and need not be looked at again; from now on collect what comes and goes."""
    gc.freeze()
    _collect()


def _collect() -> None:
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
    gc.enable()
