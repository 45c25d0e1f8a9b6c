"""What operators can see of the control plane. Names follow istiod's where the meaning is the same; nothing is counted per pod."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from ..xds.resource_type import SHORT_NAMES
from .tallies import CountByType, CountElsewhere, DurationByType, DurationHistogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one control plane, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.streams = Gauge("trimtab_xds_streams", "Open xDS streams.", registry=self.registry)
        self.streams_opened = Counter(
            "trimtab_xds_streams_opened",
            "xDS streams that were opened; its rate is that of reconnects.",
            registry=self.registry,
        )
        self.pushes = CountByType("trimtab_xds_pushes", "Responses sent, by resource type.", self.registry)
        self.nacks = CountByType(
            "trimtab_xds_rejects", "Responses that a client refused, by resource type.", self.registry
        )
        self.propagation = DurationByType(
            "trimtab_propagation_seconds",
            "From a change taken in to a client's ACK of it, by resource type.",
            _SECONDS,
            self.registry,
        )
        self.push_time = DurationHistogram(
            "trimtab_xds_push_seconds",
            "From a response handed to gRPC to the client's ACK or NACK of it; long where clients read or apply slowly.",
            _SECONDS,
            self.registry,
        )
        self.coalesced = CountByType(
            "trimtab_xds_coalesced_changes",
            "Changes that a newer one of the same resource overtook before they were sent, by resource type.",
            self.registry,
        )
        self.protocol_errors = Counter(
            "trimtab_xds_protocol_errors",
            "Streams ended because the client broke the protocol.",
            registry=self.registry,
        )
        self.limits_exceeded = Counter(
            "trimtab_xds_limits_exceeded",
            "Streams ended because the client asked for more than is kept for anybody (docs/adr/0011).",
            registry=self.registry,
        )

    def observe(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """A metric that is read when it is scraped, so that keeping it costs nothing: a counter if it is called `…_total`, else a gauge."""
        if name.endswith("_total"):
            CountElsewhere(name, help_text, read, self.registry)
        else:
            Gauge(name, help_text, registry=self.registry).set_function(read)

    def observe_types(self, name: str, help_text: str, read: Callable[[str], float]) -> None:
        """The same for each resource type; `read` gets the type's URL."""
        gauge = Gauge(name, help_text, ["type"], registry=self.registry)
        for type_url, short in SHORT_NAMES.items():
            gauge.labels(short).set_function(partial(read, type_url))
