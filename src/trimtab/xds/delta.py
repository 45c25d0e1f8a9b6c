"""Incremental xDS, the second dialect: requests change the subscription, responses say what changed."""

from collections.abc import Callable, Iterable

from .contents import contents, contents_of_one
from .delta_discovery import DeltaRequest, encode_ack, encode_delta_error, encode_delta_resource, encode_removed
from .discovery import NOT_FOUND, ResourceError, encode_nonce
from .resource import Resource
from .resource_type import COMPLETE_STATE, WILDCARD
from .subscription import Batch, Subscription


class Incremental:
    """Reads requests into subscriptions, writes batches as responses."""

    @staticmethod
    def parse(data: bytes) -> DeltaRequest:
        """Decode a request. Raises ProtocolError."""
        return DeltaRequest.parse(data)

    @staticmethod
    def apply(request: DeltaRequest, subscription: Subscription, everything: Iterable[str], now: float) -> None:
        """Take in a request. Changes of subscription count whatever the nonce: it only says what is ACKed or NACKed."""
        first = not subscription.started
        subscription.delivery.answered(request.nonce, request.error, now)
        subscription.unsubscribe(request.unsubscribe)
        names = request.subscribe
        if first and not names and not request.unsubscribe and request.type_url in COMPLETE_STATE:
            names = (WILDCARD,)
        subscription.subscribe(names, everything)
        if first:
            subscription.assume_held(request.initial_versions.items())

    @staticmethod
    def is_plain_ack(data: bytes, subscription: Subscription) -> bool:
        """Whether these bytes can only be an ACK of the newest response that changes nothing."""
        return data == encode_ack(subscription.type_url, subscription.delivery.nonce)

    @staticmethod
    def sends_whole(type_url: str) -> bool:
        """Whether every response of this type holds all that is subscribed: never."""
        return False

    @staticmethod
    def encode_one(type_url: str, name: str, resource: Resource, nonce: str) -> tuple[str, bytes]:
        """The response that says one resource, and its version."""
        version, said = contents_of_one(type_url, name, resource, _entry)
        return version, said + encode_nonce(nonce)

    @staticmethod
    def encode(
        subscription: Subscription,
        batch: Batch,
        nonce: str,
        get: Callable[[str], Resource | None],
        why_missing: Callable[[str], str],
    ) -> tuple[str, bytes]:
        """The response that says `batch`, and its version."""
        version, shared = contents(subscription.type_url, batch.resources, _entry)
        # That a name means nothing is said the same way as that a resource is gone; why, to those who read errors too.
        gone = map(encode_removed, (*batch.removed, *batch.missing))
        errors = (encode_delta_error(ResourceError(name, NOT_FOUND, why_missing(name))) for name in batch.missing)
        return version, b"".join((shared, *gone, *errors, encode_nonce(nonce)))


def _entry(type_url: str, name: str, resource: Resource) -> bytes:
    return encode_delta_resource(type_url, name, resource.version, resource.body)
