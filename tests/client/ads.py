"""A control plane for tests of the client: a real gRPC server that sends what a test tells it to."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, Self

import grpc

from tests.ports import HeldPort
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, Policy
from trimtab.xds.assignment import encode_body
from trimtab.xds.cluster import encode_cluster
from trimtab.xds.dialect import Dialect
from trimtab.xds.discovery import (
    DiscoveryRequest,
    ResourceError,
    encode_contents,
    encode_error,
    encode_nonce,
    encode_resource,
)
from trimtab.xds.identifier import encode_identifier
from trimtab.xds.resource_type import ADS_SERVICE, CLUSTERS, ENDPOINTS, STREAM_AGGREGATED_RESOURCES


class AdsServer:
    """Answers subscriptions with the resources and errors it was given, and pushes changes to open streams.

    Its port stays its own until the end of the `with` block: closed before, it can be started there again.
    """

    def __init__(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> None:
        self.resources: dict[str, bytes] = {}
        self.errors: dict[str, ResourceError] = {}
        self.policies: dict[str, bytes] = {}
        self.requests: list[DiscoveryRequest] = []
        self.streams_opened = 0
        self.zone: str | None = None
        """Where it says that every client runs; None: it says nothing of the kind."""
        self.seen = 0
        """What it says its answers include; 0: it does not say."""
        self._version = 0
        self._streams: set[_Stream] = set()
        self._changed = threading.Condition()
        self._server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        handler: Any = grpc.stream_stream_rpc_method_handler(self._serve)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(ADS_SERVICE, {STREAM_AGGREGATED_RESOURCES: handler}),)
        )
        self._held = None if port else HeldPort()
        address = f"127.0.0.1:{port}" if self._held is None else self._held.address
        bound = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        self.port = bound
        self.address = f"127.0.0.1:{bound}"
        self._server.start()

    def assign(self, name: str, *endpoints: Endpoint) -> None:
        """`name` has these endpoints from now on."""
        self.assign_groups(name, *([LocalityEndpoints(Locality("eu", "eu-a"), endpoints)] if endpoints else ()))

    def assign_groups(self, name: str, *groups: LocalityEndpoints) -> None:
        """The same by locality."""
        self.send(name, encode_body(Assignment(name, groups)))

    def balance(self, name: str, policy: Policy) -> None:
        """`name` is to be balanced so from now on."""
        self.send_cluster(name, encode_cluster(policy, Dialect.GRPC, http2=True))

    def send_cluster(self, name: str, body: bytes) -> None:
        """`name` is this encoded Cluster from now on."""
        with self._changed:
            self.policies[name] = encode_resource(CLUSTERS, name, body)
            self._push()

    def send(self, name: str, body: bytes) -> None:
        """`name` is this encoded ClusterLoadAssignment from now on."""
        with self._changed:
            self.resources[name] = encode_resource(ENDPOINTS, name, body)
            self.errors.pop(name, None)
            self._push()

    def refuse(self, name: str, message: str, code: int = 5) -> None:
        """`name` cannot be had, and this is why."""
        with self._changed:
            self.resources.pop(name, None)
            self.errors[name] = ResourceError(name, code, message)
            self._push()

    def wait_for_request(self, matches: Callable[[DiscoveryRequest], bool], timeout_s: float = 60) -> DiscoveryRequest:
        """The first request so far, or to come, for which `matches` is true."""
        with self._changed:
            if not self._changed.wait_for(lambda: any(map(matches, self.requests)), timeout_s):
                raise TimeoutError(f"no such request among {self.requests}")
            return next(filter(matches, self.requests))

    def wait_for_streams(self, count: int, timeout_s: float = 60) -> None:
        """Return once `count` streams are open."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._streams) == count, timeout_s):
                raise TimeoutError(f"{len(self._streams)} streams are open, not {count}")

    def close(self) -> None:
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
        if self._held is not None:
            self._held.release()

    def _push(self) -> None:
        self._version += 1
        for stream in self._streams:
            stream.due = True
        self._changed.notify_all()

    def _serve(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        stream = _Stream()
        with self._changed:
            self._streams.add(stream)
            self.streams_opened += 1
            self._changed.notify_all()
        if not context.add_callback(lambda: self._gone(stream)):
            # It had ended before it began.
            self._gone(stream)
        threading.Thread(target=self._read, args=(requests, stream), daemon=True).start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: stream.due or stream.gone)
                if stream.gone:
                    return
                stream.due = False
                stream.nonce += 1
                version = self._version
                policies = [self.policies[name] for name in stream.policy_names if name in self.policies]
                resources = [self.resources[name] for name in stream.names if name in self.resources]
                errors = [self.errors[name] for name in stream.names if name in self.errors]
            if policies:
                yield _response(CLUSTERS, f"v{version}", f"c{stream.nonce}", policies)
            if resources or errors:
                response = _response(ENDPOINTS, f"v{version}", str(stream.nonce), resources, errors)
                told = encode_identifier(time.time(), self.zone or "", self.seen)
                yield response + (told if self.zone is not None or self.seen else b"")

    def _read(self, requests: Iterator[bytes], stream: "_Stream") -> None:
        try:
            for data in requests:
                request = DiscoveryRequest.parse(data)
                with self._changed:
                    if request.type_url == CLUSTERS:
                        if request.names != stream.policy_names:
                            stream.policy_names, stream.due = request.names, True
                            self._changed.notify_all()
                        continue
                    self.requests.append(request)
                    if request.names != stream.names:
                        stream.names, stream.due = request.names, True
                    self._changed.notify_all()
        except grpc.RpcError:
            pass

    def _gone(self, stream: "_Stream") -> None:
        with self._changed:
            self._streams.discard(stream)
            stream.gone = True
            self._changed.notify_all()


def _response(
    type_url: str, version: str, nonce: str, resources: Iterable[bytes], errors: Iterable[ResourceError] = ()
) -> bytes:
    return b"".join((encode_contents(type_url, version, resources), *map(encode_error, errors), encode_nonce(nonce)))


class _Stream:
    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.policy_names: tuple[str, ...] = ()
        self.nonce = 0
        self.due = False
        """Whether there may be something to say. All of it is said at once: what is said again, a client takes for news."""
        self.gone = False
