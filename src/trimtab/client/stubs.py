"""What stubs ask of a channel, alike in both worlds."""

from collections.abc import Callable
from typing import Any

from .method import Method


def _of(arity: str) -> Callable[..., Any]:
    def declare(
        self: "Stubs",
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        return self._calls(Method(arity, method, request_serializer, response_deserializer, _registered_method))

    declare.__name__, declare.__qualname__ = arity, f"Stubs.{arity}"
    return declare


class Stubs:
    """Base of the channels: the multi-callables of the four arities. Generated stubs alone give `_registered_method`."""

    unary_unary = _of("unary_unary")
    unary_stream = _of("unary_stream")
    stream_unary = _of("stream_unary")
    stream_stream = _of("stream_stream")

    def _calls(self, method: Method) -> Any:
        """The multi-callable of `method`."""
        raise NotImplementedError
