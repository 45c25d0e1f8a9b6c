"""What stubs ask of a channel, alike in both worlds."""

from typing import Any

from .method import Method


class Stubs:
    """Base of the channels: the multi-callables of the four arities. Generated stubs alone give `_registered_method`."""

    def _calls(self, method: Method) -> Any:
        """The multi-callable of `method`."""
        raise NotImplementedError

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        return self._calls(Method("unary_unary", method, request_serializer, response_deserializer, _registered_method))

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        return self._calls(
            Method("unary_stream", method, request_serializer, response_deserializer, _registered_method)
        )

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        return self._calls(
            Method("stream_unary", method, request_serializer, response_deserializer, _registered_method)
        )

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        return self._calls(
            Method("stream_stream", method, request_serializer, response_deserializer, _registered_method)
        )
