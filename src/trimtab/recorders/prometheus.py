"""Calls and picks as Prometheus metrics; needs `trimtab[prometheus]`."""

from functools import cache, partial

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from ..balance import Node, Outcome, Pick

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class PrometheusMetrics:
    """The metrics of a process, once per registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        target = ("grpc_target",)
        of_method = (*target, "grpc_method")
        self.started = Counter(
            "grpc_client_attempt_started", "Calls placed on an endpoint.", of_method, registry=registry
        )
        self.duration = Histogram(
            "grpc_client_attempt_duration_seconds",
            "How long calls took, by how they ended.",
            (*of_method, "grpc_status"),
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
        # Finding a child by its labels takes a lock; there are as many as a stub has methods.
        self._started = cache(partial(metrics.started.labels, target))
        self._duration = cache(partial(metrics.duration.labels, target))
        self._idle_pairs = metrics.idle_pairs.labels(target)

    def picked(self, pick: Pick) -> None:
        self._started(_named(pick)).inc()

    def ended(self, pick: Pick, outcome: Outcome, duration_s: float) -> None:
        self._duration(_named(pick), outcome.status).observe(duration_s)

    def idle_pairs(self, count: int) -> None:
        self._idle_pairs.inc(count)

    def crossed(self, reason: str, count: int) -> None:
        self._metrics.crossings.labels(self._target, reason).inc(count)

    def ejected(self, node: Node, reason: str) -> None:
        self._metrics.ejections.labels(self._target, reason).inc()


def _named(pick: Pick) -> str:
    """The method as gRFC A66 writes it, without the slash in front."""
    return pick.method.removeprefix("/")
