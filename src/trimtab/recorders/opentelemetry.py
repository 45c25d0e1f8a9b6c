"""Calls and picks as OpenTelemetry metrics; needs `trimtab[otel]`."""

from opentelemetry.metrics import MeterProvider, get_meter

from ..balance import Node, Outcome, Pick


class OpenTelemetryRecorder:
    """A `trimtab.balance.Recorder` for one channel, whose calls have the attribute `grpc.target`."""

    def __init__(self, target: str, meter_provider: MeterProvider | None = None) -> None:
        meter = get_meter("trimtab", meter_provider=meter_provider)
        self._target = {"grpc.target": target}
        self._started = meter.create_counter("grpc.client.attempt.started", "{attempt}")
        self._duration = meter.create_histogram("grpc.client.attempt.duration", "s")
        self._idle_pairs = meter.create_counter("trimtab.pick.zero_load", "{pick}")
        self._crossings = meter.create_counter("trimtab.pick.cross_zone", "{pick}")
        self._ejections = meter.create_counter("trimtab.ejections", "{endpoint}")

    def picked(self, pick: Pick) -> None:
        self._started.add(1, self._of(pick))

    def ended(self, pick: Pick, outcome: Outcome, duration_s: float) -> None:
        self._duration.record(duration_s, {**self._of(pick), "grpc.status": outcome.status})

    def idle_pairs(self, count: int) -> None:
        self._idle_pairs.add(count, self._target)

    def crossed(self, reason: str, count: int) -> None:
        self._crossings.add(count, {**self._target, "reason": reason})

    def ejected(self, node: Node, reason: str) -> None:
        self._ejections.add(1, {**self._target, "reason": reason})

    def _of(self, pick: Pick) -> dict[str, str]:
        # gRFC A66 writes methods without the slash in front.
        return {**self._target, "grpc.method": pick.method.removeprefix("/")}
