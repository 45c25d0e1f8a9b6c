"""What this client knows about one endpoint.

A node does not count calls up and down: it holds the set of picks that are not done. Adding to and removing from a set
are single atomic operations, so threads need no lock, and a second `done` for the same call changes nothing. A leaked or
doubled in-flight count, the classic bug of client-side balancers, has no place to happen (docs/adr/0005).
"""

import enum
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from ..model import Endpoint
from .load import LoadOf

if TYPE_CHECKING:
    from .feedback import Feedback
    from .pick import Pick
    from .quota import Quota
    from .scoreboard import Place
    from .success import FailureRun
    from .tally import Tally
    from .utilization import Utilization
    from .zone import Zone


class Connectivity(enum.Enum):
    """State of the connection to an endpoint (the gRPC connectivity states)."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    TRANSIENT_FAILURE = "transient failure"


class Node:
    """One endpoint as this client experiences it. Kept by identity while the endpoint stays in the assignment.

    The score, by which every strategy compares, is `load / (weight × ramp × success)`, or infinity while the node is held back;
    lower is better. It is kept up to date by whoever changes a part of it, because it is read far more often: `rescore` after
    the load, `reweigh` after the others.
    """

    __slots__ = (
        "connectivity",
        "cost",
        "ejected_until",
        "ejections",
        "endpoint",
        "factor",
        "failure_run",
        "failures_in_row",
        "feedback",
        "fleet",
        "held",
        "latency_at",
        "latency_s",
        "load_of",
        "on_drained",
        "outstanding",
        "place",
        "priority",
        "proven",
        "quota",
        "ramp",
        "ready_at",
        "reported_weight",
        "retired",
        "score",
        "share",
        "success",
        "success_at",
        "tally",
        "transport",
        "unproven_weight",
        "utilization",
        "zone",
    )

    def __init__(self, endpoint: Endpoint, priority: int = 0, transport: object = None) -> None:
        self.endpoint = endpoint
        self.priority = priority
        self.connectivity = Connectivity.IDLE
        self.outstanding: set[Pick] = set()
        self.transport = transport
        """Whatever the client reaches the endpoint through; opaque to balancing."""
        self.retired = False
        """No longer in the assignment: gets no new calls, is let go when the last one ended."""
        self.on_drained: Callable[[Node], None] | None = None
        """Called when a retired node has no call left: at least once, from any thread that ends a call."""

        self.load_of: LoadOf | None = None
        """What measures its load; None: calls in flight, counted without asking anybody."""
        self.cost = 0.0
        """What the picks in flight weigh together, where cost is declared."""
        self.latency_s = 0.0
        """Peak EWMA of the latency; 0: no call was answered yet."""
        self.latency_at = 0.0

        self.ready_at: float | None = None
        """When its slow start began, on the balancer's clock; None: it is not new."""
        self.ramp = 1.0
        """Share by slow start, relative to a full one."""
        self.success = 1.0
        """Moving average of the calls that succeeded, and next to nothing while it is taken to be down."""
        self.success_at = 0.0
        self.failure_run: FailureRun | None = None
        """The failures since the last call that succeeded; None: there are none."""
        self.failures_in_row = 0
        self.proven = True
        """Whether it has ever answered; until then it gets one call at a time."""
        self.quota: Quota | None = None
        """How many picks it may have at most; None: as many as it wins."""
        self.held = False
        """Whether it has used up what its quota grants by now."""
        self.ejected_until: float | None = None
        """When it may take calls again, on the balancer's clock; None: it may now."""
        self.ejections = 0
        """How many times in a row it was ejected, as far as not forgiven (gRFC A50's multiplier)."""
        self.tally: Tally | None = None
        """Successes and failures since the last sweep, where outliers are detected."""
        self.utilization: Utilization | None = None
        """Its load reports, where they are wanted."""
        self.reported_weight: float | None = None
        """The weight that follows from them; None: they do not count now."""
        self.unproven_weight: float | None = None
        """The weight by reports that have not come for long enough yet; it counts where it is low."""

        self.feedback: Feedback | None = None
        """Who learns from its calls."""
        self.fleet: set[Pick] | None = None
        """The picks in flight on all nodes together, where a strategy wants to know."""
        self.zone: Zone | None = None
        """Where it is; None: that makes no difference."""
        self.place: Place | None = None
        """Where a strategy wants the score written down."""
        self.share: float = endpoint.weight
        """What it may take relative to others by weight and success, whatever its load."""
        self.factor = 1.0 / endpoint.weight
        self.score = 0.0

    @property
    def in_flight(self) -> int:
        """Calls picked for this node and not done."""
        return len(self.outstanding)

    @property
    def load(self) -> float:
        """What the policy takes for load."""
        return len(self.outstanding) if self.load_of is None else self.load_of(self)

    @property
    def relative_load(self) -> float:
        """The score it has, or would have if it were not held back."""
        return self.load * self.factor

    def rescore(self) -> None:
        """The load has changed, or whether it is held back."""
        load = len(self.outstanding) if self.load_of is None else self.load_of(self)
        self.score = score = inf if self.held else load * self.factor
        # Read once: the thread that adopts another policy takes it away.
        if (place := self.place) is not None:
            place.write(score)

    def reweigh(self) -> None:
        """Weight, ramp or success have changed."""
        self.share = self.endpoint.weight * self.success
        self.factor = 1.0 / (self.share * self.ramp)
        self.rescore()

    def unlimit(self) -> None:
        """From now on it may have as many picks as it wins. Whoever says so rescores it."""
        self.quota, self.held = None, False

    def retire(self, on_drained: "Callable[[Node], None]") -> None:
        """Let go of the node as soon as its last call has ended, which may be now."""
        self.on_drained = on_drained
        self.retired = True
        if not self.outstanding:
            on_drained(self)

    def __repr__(self) -> str:
        return f"<Node {self.endpoint.authority} {self.connectivity.value}, {self.in_flight} in flight>"
