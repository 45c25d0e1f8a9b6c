"""Load reports of backends, as they come at the end of a call."""

from collections.abc import Iterable
from typing import Any

from ..balance import Outcome
from ..errors import ProtocolError
from ..xds.orca import ASK, VISIBLE_TRAILER, decode_load_report


def asking(metadata: Any) -> Any:
    """A call's metadata, with the request for a report added."""
    return (*(metadata or ()), ASK)


def with_report(outcome: Outcome, trailers: Iterable[Any] | None) -> Outcome:
    """The outcome with the report among the trailing metadata, if there is one that can be read."""
    for key, value in trailers or ():
        if key == VISIBLE_TRAILER:
            try:
                return Outcome(outcome.status, decode_load_report(value))
            except ProtocolError:
                return outcome
    return outcome
