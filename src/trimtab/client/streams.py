"""Streams of responses in threads, to find those that fail without an end.

When a response of a stream cannot be deserialized, grpc fails the stream for its caller and forgets about the call, which
calls back only when its deadline has passed, if it has one.
"""

import weakref
from collections.abc import Callable
from typing import Any

import grpc

from ..balance import Pick
from .outcome import OUTCOMES

_FAILED = OUTCOMES[grpc.StatusCode.INTERNAL]


class Streams:
    """The streams of one method that are under way. From any thread."""

    def __init__(self, notify: Callable[..., object]) -> None:
        """`notify` runs something later, where it may block."""
        self._notify = notify
        self._open: dict[Pick, weakref.ref[Any]] = {}

    def add(self, pick: Pick, call: "weakref.ref[Any]") -> None:
        """A stream has begun."""
        self._open[pick] = call

    def remove(self, pick: Pick) -> None:
        """A stream has ended."""
        self._open.pop(pick, None)

    def watching(self, deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
        """The deserializer, which tells of its failures. For grpc, None is one."""
        if deserializer is None:
            return None

        def deserialize(message: bytes) -> Any:
            response = None
            try:
                response = deserializer(message)
            finally:
                if response is None:
                    # grpc holds a lock of the call's here, and has yet to fail it.
                    self._notify(self._end_failed)
            return response

        return deserialize

    def _end_failed(self) -> None:
        for pick, stream in tuple(self._open.items()):
            call = stream()
            if call is None or call.done():
                self.remove(pick)
                pick.done(_FAILED)
