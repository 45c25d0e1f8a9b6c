"""State of the world, the first dialect of xDS: every request names the whole subscription."""

from collections.abc import Callable, Iterable

from .contents import contents, contents_of_one
from .discovery import (
    NOT_FOUND,
    DiscoveryRequest,
    ResourceError,
    encode_error,
    encode_nonce,
    encode_resource,
    encode_version,
)
from .repetition import repeatable_part
from .resource import Resource
from .resource_type import COMPLETE_STATE, WILDCARD
from .subscription import Batch, Subscription


class StateOfTheWorld:
    """Reads requests into subscriptions, writes batches as responses."""

    @staticmethod
    def parse(data: bytes) -> DiscoveryRequest:
        """Decode a request. Raises ProtocolError."""
        return DiscoveryRequest.parse(data)

    @staticmethod
    def apply(request: DiscoveryRequest, subscription: Subscription, everything: Iterable[str], now: float) -> None:
        """Take in a request. One whose nonce is stale says nothing: the client will answer the newer response too.

        Before the first response none is stale, even with a nonce that was kept from another stream.
        """
        delivery = subscription.delivery
        # Said is said, however late it comes: to name nothing later means nothing.
        subscription.ever_named |= bool(request.names)
        if delivery.nonce and request.nonce != delivery.nonce:
            # What was plain before may mean something else by now.
            subscription.repeated = None
            return
        is_answer = delivery.answered(request.nonce, request.error, now)
        subscription.repeated = repeatable_part(request)
        before = subscription.names
        subscription.replace(_names(request, subscription), everything)
        # The same names again, and not as an ACK: Envoy asks so after a cluster changed, and waits for the answer. Who refuses
        # again what it refused already waits for nothing.
        if delivery.nonce and not is_answer and request.error is None and subscription.names == before:
            subscription.owe_again()

    @staticmethod
    def is_plain_ack(data: bytes, subscription: Subscription) -> bool:
        """Whether these bytes can only be an ACK of the newest response that asks for what is followed already."""
        repeated, delivery = subscription.repeated, subscription.delivery
        if repeated is None:
            return False
        return data == encode_version(delivery.version) + repeated + encode_nonce(delivery.nonce)

    @staticmethod
    def sends_whole(type_url: str) -> bool:
        """Whether every response of this type holds all that is subscribed."""
        return type_url in COMPLETE_STATE

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
        type_url = subscription.type_url
        resources = batch.resources
        if type_url in COMPLETE_STATE:
            resources = {name: r for name in subscription.held if (r := get(name)) is not None}
        elif batch.removed:
            # The only way to withdraw endpoints: absence means nothing for this type.
            resources = resources | dict.fromkeys(batch.removed, _EMPTY)
        version, said = contents(type_url, resources, _entry)
        errors = [encode_error(ResourceError(name, NOT_FOUND, why_missing(name))) for name in batch.missing]
        return version, b"".join((said, *errors, encode_nonce(nonce)))


_EMPTY = Resource(version="", body=b"")


def _entry(type_url: str, name: str, resource: Resource) -> bytes:
    return encode_resource(type_url, name, resource.body)


def _names(request: DiscoveryRequest, subscription: Subscription) -> tuple[str, ...]:
    """What is asked for; nothing at all means everything, unless something was ever named on this stream."""
    if not request.names and request.type_url in COMPLETE_STATE and not subscription.ever_named:
        return (WILDCARD,)
    return request.names
