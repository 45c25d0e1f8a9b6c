"""How loaded this server is: what drains wait for and load reports say."""

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Final

from ..errors import ServeError
from ..model import LoadReport
from ..xds.orca import encode_load_report
from .given import check_function, check_number
from .recent import Recent

logger = logging.getLogger(__name__)

MEMORY_S: Final = 5.0
"""Over how long rates and utilisation are averaged: clients look every second (gRFC A58), so half of a change shows after
three and a half."""
FRESH_S: Final = 0.02
"""How long an encoded report is sent before it is made anew. What it says is an average over seconds, and a busy server would
otherwise make thousands a second."""
_RAMP_FLOOR: Final = 0.1
"""The share of its weight with which a ramp begins: Envoy's default for slow start (`min_weight_percent`)."""

Metric = Callable[[], float]


class Call:
    """One call under way. It ends once; that it never began is noticed too, by its disappearance."""

    __slots__ = ("__weakref__", "_load")

    def __init__(self, load: "Load") -> None:
        self._load = load

    def end(self, *, failed: bool) -> None:
        """The call is over; again is harmless."""
        self._load.ended(self, failed=failed)


class Load:
    """Counts calls, and says how busy the server is. Any thread may use it."""

    def __init__(
        self,
        *,
        capacity: float | None = None,
        utilization: Metric | None = None,
        metrics: Mapping[str, Metric] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`capacity` is how many calls the server works on at a time: worker threads, connections to its database, GPU
        slots. Utilisation is then the mean number of calls in flight over it. `utilization` measures it in another way, 1
        for full. `metrics` are reported by name besides. Raises ServeError for a capacity that is no number, or a metric that
        is no function.
        """
        if capacity is not None:
            check_number(capacity, "load: capacity, how many calls run at a time", ServeError, above_0=True)
        if utilization is not None:
            check_function(utilization, "load: utilization", ServeError)
        for name, metric in (metrics or {}).items():
            check_function(metric, f"load: metric {name!r}", ServeError)
        self._capacity = capacity
        self._utilization = utilization
        self._metrics = dict(metrics or {})
        self._clock = clock
        # Weak: gRPC drops a call that is cancelled while it waits for a thread without telling anyone.
        self._calls: weakref.WeakSet[Call] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._recent = Recent(clock(), MEMORY_S)
        self._last_arrival_at = -math.inf
        self._ramp: tuple[float, float] | None = None
        self._broken: set[str] = set()
        self._encoded = (b"", -math.inf)

    def begin(self) -> Call:
        """A call has arrived."""
        call, now = Call(self), self._clock()
        with self._lock:
            self._recent.advance(now, self.in_flight)
            self._calls.add(call)
            self._last_arrival_at = now
        return call

    def ended(self, call: Call, *, failed: bool) -> None:
        """A call is over. `Call.end` calls this."""
        with self._lock:
            if call in self._calls:
                self._recent.advance(self._clock(), self.in_flight)
                self._calls.discard(call)
                self._recent.ended(failed=failed)

    @property
    def in_flight(self) -> int:
        """Calls that have arrived and not ended, those that wait for a thread included."""
        return len(self._calls)

    @property
    def last_arrival_at(self) -> float:
        """When the last call came, on the clock; minus infinity if none has."""
        return self._last_arrival_at

    def ramp(self, window_s: float) -> None:
        """From now on report a load that begins at ten times the true one and reaches it after `window_s`.

        A client that weighs by load sends a tenth at first, and more by and by: slow start, asked for by the server, with
        the linear ramp of Envoy's (`slow_start_config`, aggression 1). Without a utilisation there is nothing to report, and
        that is warned of.
        """
        if self._capacity is None and self._utilization is None:
            logger.warning(
                "load: no ramp: without Load(capacity=…) or Load(utilization=…) no utilisation is reported, and the pod gets "
                "its full share at once; give the one that fits, or slow_start_s in the service's policy"
            )
            return
        self._ramp = (self._clock(), window_s)

    def report(self) -> LoadReport:
        """What to tell clients."""
        with self._lock:
            self._recent.advance(self._clock(), self.in_flight)
            requests, errors, busy = self._recent.requests_per_s, self._recent.errors_per_s, self._recent.in_flight
        return LoadReport(
            application_utilization=self._busy(busy) / self._ramp_factor(),
            requests_per_s=requests,
            errors_per_s=errors,
            named_metrics={"in_flight": float(self.in_flight), **self._named()},
        )

    def encoded(self) -> bytes:
        """The report as an OrcaLoadReport, at most FRESH_S old."""
        data, until = self._encoded
        if (now := self._clock()) >= until:
            data = encode_load_report(self.report())
            self._encoded = (data, now + FRESH_S)
        return data

    def _busy(self, in_flight: float) -> float:
        if self._utilization is not None:
            return self._measured("utilization", self._utilization) or 0.0
        return in_flight / self._capacity if self._capacity is not None else 0.0

    def _ramp_factor(self) -> float:
        if (ramp := self._ramp) is None:
            return 1.0
        begun_at, window_s = ramp
        elapsed_s = self._clock() - begun_at
        if elapsed_s >= window_s:
            self._ramp = None
            return 1.0
        return max(_RAMP_FLOOR, elapsed_s / window_s)

    def _named(self) -> dict[str, float]:
        values = ((name, self._measured(name, metric)) for name, metric in self._metrics.items())
        return {name: value for name, value in values if value is not None}

    def _measured(self, name: str, metric: Metric) -> float | None:
        """A user's metric; one that raises is left out and said so once: reports must not make calls fail."""
        try:
            value = float(metric())
        except Exception:
            if name not in self._broken:
                self._broken.add(name)
                logger.exception("load: %s cannot be measured and is not reported", name)
            return None
        return max(0.0, value) if math.isfinite(value) else None
