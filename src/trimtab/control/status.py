"""Who is connected, and how far each client has followed what it was sent. What `trimtab status` and /debug/status show.

A client is in exactly one of four states per resource type, each with an age; and it is in the list for as long as its stream
is open, not a moment longer. Anything vaguer gets believed and turns out wrong.
"""

from collections.abc import Collection, Iterable
from typing import Literal

from msgspec import Struct, field

from ..xds.resource_type import PUSH_ORDER, SHORT_NAMES
from ..xds.subscription import Subscription
from ..xds.version import combined_version
from .session import Session

State = Literal["acked", "waiting", "nacked", "never asked"]
"""acked: the client uses what it was sent last. waiting: it was sent something and has not answered. nacked: it refused what it
was sent last and uses what it had before. never asked: it did not subscribe to this type."""

_TEXT_SHOWN = 1000
"""How much of what a client says is repeated, in characters."""


class TypeStatus(Struct, frozen=True, omit_defaults=True):
    """Where one client stands with one type of resource."""

    state: State
    age_s: float = 0.0
    """Since when, in seconds."""
    version: str = ""
    """Which version was ACKed last; empty: none was."""
    error: str = ""
    """What the client said when it refused."""
    names: int = 0
    """How many names it asked for."""
    wildcard: bool = False
    """Whether it asked for everything there is."""


class ClientStatus(Struct, frozen=True):
    """One client on one stream."""

    node: str
    """Who it says it is."""
    kind: str
    version: str
    zone: str
    """Where it runs, as far as known; empty: unknown."""
    namespace: str
    peer: str
    age_s: float
    """For how long it has been connected."""
    types: dict[str, TypeStatus]


class Problems(Struct, frozen=True):
    """What is wrong with what the control plane was given. Of each the last good state is served."""

    refused_assignments: dict[str, str] = field(default_factory=dict)
    """By service: why no client would accept its newest endpoints."""
    repaired_assignments: dict[str, list[str]] = field(default_factory=dict)
    """By service: what had to be done to its endpoints before they could be published."""
    rejected_policies: dict[str, str] = field(default_factory=dict)
    """By service: what is wrong with its policy annotation."""
    source: list[str] = field(default_factory=list)
    """What of the source, such as a manifest, cannot be used as it is."""
    unplaced_clients: dict[str, list[str]] = field(default_factory=dict)
    """By service that keeps calls on their Node (`internalTrafficPolicy: Local`): who follows it and says of no Node to be on it."""


class Status(Struct, frozen=True):
    """All of it, at one moment."""

    version: str
    """Of the control plane."""
    not_ready: str | None
    service_ports: int
    endpoints: int
    last_change_age_s: float | None
    """None: nothing was taken in yet."""
    problems: Problems
    clients: list[ClientStatus]


def clients_status(sessions: Iterable[Session], now: float) -> list[ClientStatus]:
    """Every open stream, oldest first. `now` is in seconds of the server's monotonic clock."""
    return [_client_status(session, now) for session in sorted(sessions, key=lambda session: session.opened_at)]


def nacked(sessions: Collection[Session], type_url: str) -> int:
    """On how many streams the newest response of a type is refused."""
    subscriptions = (subscription for session in sessions for subscription in session.stream.subscriptions)
    return sum(
        subscription.type_url == type_url
        and not subscription.delivery.outstanding
        and subscription.delivery.refused is not None
        for subscription in subscriptions
    )


def _client_status(session: Session, now: float) -> ClientStatus:
    node, audience = session.stream.node, session.stream.audience
    asked = {subscription.type_url: subscription for subscription in session.stream.subscriptions}
    return ClientStatus(
        node=node.id,
        kind=client_kind(node.user_agent),
        version=node.user_agent_version.rpartition(" ")[2],
        zone=audience.zone,
        namespace=audience.namespace,
        peer=session.peer,
        age_s=now - session.opened_at,
        types={
            SHORT_NAMES.get(type_url, type_url[:_TEXT_SHOWN]): _type_status(asked.get(type_url), session, now)
            for type_url in dict.fromkeys([*PUSH_ORDER, *asked])
        },
    )


def client_kind(user_agent: str) -> str:
    """What people call a client that names itself `user_agent`."""
    if user_agent.lower().startswith("envoy"):
        return "Envoy"
    # C-core says on which platform it runs.
    return "gRPC C-core" if user_agent.startswith("gRPC C-core") else user_agent or "unknown"


def _type_status(subscription: Subscription | None, session: Session, now: float) -> TypeStatus:
    if subscription is None or not subscription.started:
        return TypeStatus("never asked")
    state, since, error = _state(subscription, session)
    return TypeStatus(
        state=state,
        age_s=max(0.0, now - (now if since is None else since)),
        version=_acked_version(subscription),
        error=error,
        names=len(subscription.names),
        wildcard=subscription.wildcard,
    )


def _state(subscription: Subscription, session: Session) -> tuple[State, float | None, str]:
    """The state, the moment it began, and the client's words if it refused."""
    delivery = subscription.delivery
    if delivery.outstanding:
        return "waiting", delivery.waiting_since, ""
    if subscription.due:
        return "waiting", subscription.changed_at, ""
    if delivery.refused is not None:
        return "nacked", delivery.refused_at, delivery.refused[:_TEXT_SHOWN]
    # After a reconnect a client that already holds everything is sent nothing, and has nothing to ACK.
    return "acked", session.opened_at if delivery.acked_at is None else delivery.acked_at, ""


def _acked_version(subscription: Subscription) -> str:
    delivery = subscription.delivery
    return delivery.acked_version if delivery.nonce else combined_version(subscription.held.items())
