"""Endpoints that fail much more than the others are left out for a while (gRFC A50, Envoy's outlier detection)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from statistics import fmean, pstdev

from ..model import OutlierDetection
from .node import Node
from .tally import Tally

Ejected = Callable[[Node, str], object]


class Outliers:
    """Ejects and takes back. Runs in the one thread that updates the balancer."""

    def __init__(self, settings: OutlierDetection, now: float, ejected: Ejected) -> None:
        self._settings = settings
        self._ejected = ejected
        self._swept_at = now

    def next_at(self, nodes: Collection[Node]) -> float:
        """When there is something to do next: a sweep, or a node that comes back."""
        back = (node.ejected_until for node in nodes if node.ejected_until is not None)
        return min((self._swept_at + self._settings.interval_s, *back))

    def run(self, nodes: Collection[Node], now: float) -> list[Node]:
        """Take back whose time is over, eject who failed too often in a row, and sweep when it is time.

        Returns the nodes that came back.
        """
        returned = [node for node in nodes if node.ejected_until is not None and node.ejected_until <= now]
        for node in returned:
            node.ejected_until, node.failures_in_row = None, 0
            node.tally = Tally()
        for node in nodes:
            if node.tally is None:
                node.tally = Tally()
            elif node.tally.tripped:
                node.tally.tripped = False
                # Calls that were under way when it was ejected end later, and say nothing new.
                if node.ejected_until is None:
                    self._eject(node, nodes, now, "failures in a row")
        if now >= self._swept_at + self._settings.interval_s:
            self._sweep(nodes, now)
        return returned

    def _sweep(self, nodes: Collection[Node], now: float) -> None:
        self._swept_at = now
        tallies = {node: node.tally for node in nodes if node.tally is not None and node.ejected_until is None}
        for node in tallies:
            node.tally = Tally()
        clean = set(tallies)
        for node, reason in (*self._by_success_rate(tallies), *self._by_failure_percentage(tallies)):
            if node.ejected_until is None and self._eject(node, nodes, now, reason):
                clean.discard(node)
        for node in clean:
            # A50: the multiplier of an address that was not ejected in this sweep decreases.
            node.ejections = max(0, node.ejections - 1)

    def _by_success_rate(self, tallies: dict[Node, Tally]) -> Iterator[tuple[Node, str]]:
        """A50: below `mean - stdev × factor / 1000`, with enough hosts of enough requests."""
        settings = self._settings
        rates = {
            node: tally.successes / tally.volume
            for node, tally in tallies.items()
            if tally.volume and tally.volume >= settings.success_rate_request_volume
        }
        if not rates or len(rates) < settings.success_rate_minimum_hosts:
            return
        values: Sequence[float] = list(rates.values())
        least = fmean(values) - pstdev(values) * settings.success_rate_stdev_factor / 1000
        for node, rate in rates.items():
            if rate < least:
                yield node, "success rate"

    def _by_failure_percentage(self, tallies: dict[Node, Tally]) -> Iterator[tuple[Node, str]]:
        """A50: at least `threshold` percent of enough requests, with enough hosts."""
        settings = self._settings
        volumes = {
            node: tally
            for node, tally in tallies.items()
            if tally.volume and tally.volume >= settings.failure_percentage_request_volume
        }
        if len(volumes) < settings.failure_percentage_minimum_hosts:
            return
        for node, tally in volumes.items():
            if 100 * tally.failures >= settings.failure_percentage_threshold * tally.volume:
                yield node, "failure percentage"

    def _eject(self, node: Node, nodes: Collection[Node], now: float, reason: str) -> bool:
        """Whether the node is ejected: not if enough are, and never the last one."""
        settings = self._settings
        out = sum(other.ejected_until is not None for other in nodes)
        # A50 asks before it ejects: so one may go even where it is more than the percentage, as of three pods.
        if out * 100 >= settings.max_ejection_percent * len(nodes) or out + 1 >= len(nodes):
            return False
        node.ejections += 1
        longest_s = max(settings.base_ejection_time_s, settings.max_ejection_time_s)
        node.ejected_until = now + min(settings.base_ejection_time_s * node.ejections, longest_s)
        self._ejected(node, reason)
        return True
