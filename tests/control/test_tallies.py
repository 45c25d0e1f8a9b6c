"""Plain numbers are exposed as prometheus_client's own metrics would expose the same."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from trimtab.control.tallies import CountByType, DurationByType, DurationHistogram
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, SHORT_NAMES

BOUNDS = (0.001, 0.25, 1)
SECONDS = (0.0005, 0.001, 0.2, 0.25, 3.0)
TYPES = (*SHORT_NAMES.values(), "unknown")


def exposed(registry: CollectorRegistry) -> list[str]:
    # When a counter began is an extra of prometheus_client's own.
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_counts_by_type() -> None:
    own, theirs = CollectorRegistry(), CollectorRegistry()
    count, counter = CountByType("pushes", "Pushes.", own), Counter("pushes", "Pushes.", ["type"], registry=theirs)
    for short in TYPES:
        counter.labels(short)
    for type_url in (ENDPOINTS, CLUSTERS, ENDPOINTS, "type.googleapis.com/what.nobody.Serves"):
        count.add(type_url)
        counter.labels(SHORT_NAMES.get(type_url, "unknown")).inc()
    assert exposed(own) == exposed(theirs)


def test_a_distribution() -> None:
    own, theirs = CollectorRegistry(), CollectorRegistry()
    durations = DurationHistogram("push_seconds", "Time.", BOUNDS, own)
    histogram = Histogram("push_seconds", "Time.", buckets=BOUNDS, registry=theirs)
    for seconds in SECONDS:
        durations.add(seconds)
        histogram.observe(seconds)
    assert exposed(own) == exposed(theirs)


def test_a_distribution_by_type() -> None:
    own, theirs = CollectorRegistry(), CollectorRegistry()
    durations = DurationByType("push_seconds", "Time.", BOUNDS, own)
    histogram = Histogram("push_seconds", "Time.", ["type"], buckets=BOUNDS, registry=theirs)
    for short in TYPES:
        histogram.labels(short)
    for seconds in SECONDS:
        durations.add(ENDPOINTS, seconds)
        histogram.labels("eds").observe(seconds)
    assert exposed(own) == exposed(theirs)
