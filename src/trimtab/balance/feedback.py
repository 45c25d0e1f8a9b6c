"""What a node learns from each call that ends."""

from collections.abc import Callable

from ..model import LoadReport, Policy, SuccessRate
from .load import observe_latency
from .node import Node
from .pick import Outcome, Pick
from .recorder import Recorder
from .success import NO_EVIDENCE, failed, failing, succeeded
from .utilization import Utilization


class Feedback:
    """The lessons of one service's calls, as its policy draws them. Called from any thread that ends a call.

    Two calls of one node that end in the same moment on two threads may overwrite each other's contribution to an average.
    What must be exact, the calls in flight, is not kept here.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], float],
        refresh_soon: Callable[[], object],
        recorder: Recorder | None,
    ) -> None:
        self._clock = clock
        self._refresh_soon = refresh_soon
        self._recorder = recorder
        self._success = policy.success_rate
        # Where only outliers are looked for, what is a failure is still to be known.
        self._failing = failing((policy.success_rate or SuccessRate()).failures)
        self._decay_s = policy.peak_ewma_decay_s if policy.load == "peak_ewma" else None
        self._consecutive = 0 if policy.outlier_detection is None else policy.outlier_detection.consecutive_5xx
        self._reports = policy.weighted_round_robin

    def ended(self, pick: Pick, outcome: Outcome) -> None:
        """A call ended, for the first time and with this outcome. Whoever says so rescores the node."""
        node, status, now = pick.node, outcome.status, self._clock()
        took_s = now - pick.started_at
        if (zone := node.zone) is not None:
            zone.time_s += took_s
        if status in self._failing:
            self._failed(node, pick.started_at, now)
        elif status not in NO_EVIDENCE:
            if zone is not None:
                zone.calls += 1
            node.failures_in_row = 0
            if not node.proven:
                self.answered(node)
            if node.success < 1.0 and self._success is not None:
                succeeded(node, pick.started_at, now, self._success)
                node.reweigh()
            if node.tally is not None:
                node.tally.successes += 1
            if self._decay_s is not None:
                observe_latency(node, took_s, now, self._decay_s)
        if outcome.report is not None:
            self._reported(node, outcome.report, now)
        if self._recorder is not None:
            self._recorder.ended(pick, outcome, took_s)

    def answered(self, node: Node) -> None:
        """A node answers for the first time. Whoever says so rescores it."""
        node.proven = True
        if node.ramp == 1.0:
            node.unlimit()

    def _failed(self, node: Node, started_at: float, now: float) -> None:
        node.failures_in_row += 1
        if self._success is not None:
            failed(node, started_at, now, self._success)
            node.reweigh()
        if node.tally is not None:
            node.tally.failures += 1
            # Not only when it is reached: another thread may have counted on, or too many others be ejected by then.
            if 0 < self._consecutive <= node.failures_in_row:
                node.tally.tripped = True
        # A failure's own latency is no good news, only a bad one may count.
        if self._decay_s is not None and (took_s := now - started_at) > node.latency_s > 0:
            observe_latency(node, took_s, now, self._decay_s)
        self._refresh_soon()

    def _reported(self, node: Node, report: LoadReport, now: float) -> None:
        if node.utilization is None:
            node.utilization = Utilization()
            self._refresh_soon()
        node.utilization.reported(report, now, self._reports)
