"""What an application hands in, looked at where it does: later, a mistake would show in a pod that is about to serve or to go."""

import inspect
import math

from ..errors import TrimtabError


def check_number(value: object, what: str, error: type[TrimtabError], *, above_0: bool = False) -> None:
    """Raises `error` unless `value` is a finite number, at least 0 or `above_0`. `what` says which, and opens the message."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if math.isfinite(number) and (number > 0 or (number == 0 and not above_0)):
        return
    raise error(f"{what}: expected a number, {'more than 0' if above_0 else 'at least 0'}, got {value!r}")


def check_function(value: object, what: str, error: type[TrimtabError]) -> None:
    """Raises `error` unless `value` can be called."""
    if inspect.isawaitable(value):
        raise error(f"{what}: expected a function, got what it returns, {value!r}; pass it without calling it")
    if not callable(value):
        raise error(f"{what}: expected a function, got {value!r}")
