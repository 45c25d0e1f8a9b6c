"""What commands print: tables for people, JSON for programs, errors in a line."""

import sys
from typing import Any, NoReturn

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 160
"""Where there is no terminal to ask."""


class _Printer(Console):
    def render_str(self, text: str, **how: Any) -> Text:
        # Everything comes by here, cells of tables too, that is not a Text already.
        return super().render_str(plain(text), **how)


def console() -> Console:
    """Prints to stdout what a user, a cluster or its clients wrote, as it was written but for what would drive the terminal."""
    made = _Printer(highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _WIDTH
    return made


def table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """An empty table; columns in `right` are aligned to the right."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def plain(text: str) -> str:
    """What somebody else wrote, without anything that would drive the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def print_json(value: object) -> None:
    """One line of JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def fail(command: str, error: Exception, code: int) -> NoReturn:
    """Say what went wrong and end: 1 for a failure, 2 for a mistake in the call."""
    sys.stderr.write(f"trimtab {command}: {error}\n")
    raise SystemExit(code)


def ago(seconds: float) -> str:
    """A duration in the largest unit that still says something: 0.4 s, 12 s, 3 min, 5 h, 2 d."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"
