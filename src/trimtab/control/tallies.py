"""Counters and histograms kept as plain numbers, and written out only when somebody scrapes them.

A push to a thousand streams counts thousands of times. prometheus_client's own metrics look up a label and take a lock each
time; here everything happens in one event loop, so adding to a number is enough.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ..xds.resource_type import SHORT_NAMES

OTHER = "unknown"
"""Resource types that are not served here: clients may ask for any, and must not fill memory by it."""


def short_name(type_url: str) -> str:
    """What people call a resource type."""
    return SHORT_NAMES.get(type_url, OTHER)


class CountByType(Collector):
    """How often something happened, by resource type."""

    def __init__(self, name: str, help_text: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._help_text = help_text
        self._counts = dict.fromkeys((*SHORT_NAMES, OTHER), 0)
        registry.register(self)

    def add(self, type_url: str) -> None:
        """Once more."""
        self._counts[type_url if type_url in SHORT_NAMES else OTHER] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._help_text, labels=["type"])
        for type_url, count in self._counts.items():
            family.add_metric([short_name(type_url)], count)
        yield family


class CountElsewhere(Collector):
    """How often something happened that is counted where it happens."""

    def __init__(self, name: str, help_text: str, read: Callable[[], float], registry: CollectorRegistry) -> None:
        self._name = name
        self._help_text = help_text
        self._read = read
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._help_text, self._read())


class Durations:
    """A distribution of seconds in buckets."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """One more took this long."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def write(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Write it out as Prometheus has it: each bucket holds those below it too."""
        bounds = (*map(str, map(float, self._bounds)), "+Inf")
        family.add_metric(labels, list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)


class DurationHistogram(Collector):
    """How long something took."""

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._help_text = help_text
        self._durations = Durations(bounds)
        self.add = self._durations.add
        registry.register(self)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._help_text)
        self._durations.write(family)
        yield family


class DurationByType(Collector):
    """How long something took, by resource type."""

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._help_text = help_text
        self._durations = {type_url: Durations(bounds) for type_url in (*SHORT_NAMES, OTHER)}
        self._other = self._durations[OTHER]
        registry.register(self)

    def add(self, type_url: str, seconds: float) -> None:
        """One more took this long."""
        self._durations.get(type_url, self._other).add(seconds)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._help_text, labels=["type"])
        for type_url, durations in self._durations.items():
            durations.write(family, [short_name(type_url)])
        yield family
