"""Streams that take their turns together."""

import asyncio

from trimtab.control.turn import Turn


class Stream:
    """Writes down what it is made to do."""

    def __init__(self, name: str, steps: list[str], *, silent: bool = False) -> None:
        self._name = name
        self._steps = steps
        self._silent = silent

    def next_response(self) -> bytes | None:
        self._steps.append(f"{self._name} makes")
        return None if self._silent else self._name.encode()

    def write(self, response: bytes) -> None:
        self._steps.append(f"{self._name} writes {response.decode()}")


def still() -> float:
    """A clock by which no step takes any time: on a busy machine any step may take so long that others have their turn."""
    return 0.0


async def test_responses_are_made_before_the_first_is_written() -> None:
    turn, steps = Turn(still), list[str]()
    for name in "ab":
        turn.speak(Stream(name, steps))
    assert steps == []
    await asyncio.sleep(0)
    assert steps == ["a makes", "b makes", "a writes a", "b writes b"]


async def test_only_so_many_responses_wait_to_be_written() -> None:
    turn, steps = Turn(still), list[str]()
    for index in range(1_000):
        turn.speak(Stream(str(index), steps))
    await asyncio.sleep(0)
    waiting = [sum(1 if "makes" in step else -1 for step in steps[:end]) for end in range(len(steps))]
    assert max(waiting) == 64
    assert sum("writes" in step for step in steps) == 1_000


async def test_who_has_nothing_to_say_writes_nothing() -> None:
    turn, steps = Turn(still), list[str]()
    turn.speak(Stream("a", steps, silent=True))
    await asyncio.sleep(0)
    assert steps == ["a makes"]


async def test_others_have_their_turn_while_many_have_much_to_say() -> None:
    now_s = 0.0

    class Slow(Stream):
        def next_response(self) -> bytes | None:
            nonlocal now_s
            now_s += 1 / 1024
            return super().next_response()

    turn, steps = Turn(lambda: now_s), list[str]()
    for index in range(200):
        turn.speak(Slow(str(index), steps))
    written = []
    for _ in range(12):
        await asyncio.sleep(0)
        written.append(sum("writes" in step for step in steps))
        if len(written) == 2:
            # Who comes last waits for those who came before.
            turn.speak(Stream("late", steps))
    assert written == [21, 42, 63, 84, 105, 126, 147, 168, 189, 201, 201, 201]
    assert steps[-1] == "late writes late"
