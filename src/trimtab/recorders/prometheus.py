"""Calls and picks as Prometheus metrics; needs `trimtab[prometheus]`."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from ..balance import Node, Outcome, Pick

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class PrometheusMetrics:
    """The metrics of a process, once per registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        target = ("grpc_target",)
        self.started = Counter("grpc_client_attempt_started", "Calls placed on an endpoint.", target, registry=registry)
        self.duration = Histogram(
            "grpc_client_attempt_duration_seconds",
            "How long calls took, by how they ended.",
            (*target, "grpc_status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.idle_pairs = Counter(
            "trimtab_pick_zero_load",
            "Picks whose two candidates were both idle: load told them nothing.",
            target,
            registry=registry,
        )
        self.crossings = Counter(
            "trimtab_pick_cross_zone", "Picks that left the client's zone.", (*target, "reason"), registry=registry
        )
        self.ejections = Counter(
            "trimtab_ejections", "Endpoints ejected as outliers.", (*target, "reason"), registry=registry
        )

    def recorder(self, target: str) -> "PrometheusRecorder":
        """For one channel, whose calls are labelled `target`."""
        return PrometheusRecorder(self, target)


class PrometheusRecorder:
    """A `trimtab.balance.Recorder`."""

    def __init__(self, metrics: PrometheusMetrics, target: str) -> None:
        self._metrics = metrics
        self._target = target
        self._started = metrics.started.labels(target)
        self._idle_pairs = metrics.idle_pairs.labels(target)

    def picked(self, pick: Pick) -> None:
        self._started.inc()

    def ended(self, pick: Pick, outcome: Outcome, duration_s: float) -> None:
        self._metrics.duration.labels(self._target, outcome.status).observe(duration_s)

    def idle_pairs(self, count: int) -> None:
        self._idle_pairs.inc(count)

    def crossed(self, reason: str, count: int) -> None:
        self._metrics.crossings.labels(self._target, reason).inc(count)

    def ejected(self, node: Node, reason: str) -> None:
        self._metrics.ejections.labels(self._target, reason).inc()
