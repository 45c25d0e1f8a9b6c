"""Outcomes made by hand, for the tests of what is said about them."""

from collections.abc import Mapping, Sequence

from trimtab.demo.client_plan import Sample
from trimtab.demo.outcome import Outcome
from trimtab.demo.scenario import Scenario


def outcome(
    contender: str = "trimtab",
    *,
    scenario: str = "steady",
    received: Sequence[int] = (10, 10, 10, 10),
    received_before: Sequence[int] = (5, 5, 5, 5),
    latency_s: float = 0.1,
    codes: Mapping[str, int] | None = None,
    late_s: float = 0.0,
    new_endpoint_first_request_s: float | None = None,
    replaced: int = 0,
    latency_after_s: float | None = None,
) -> Outcome:
    """An outcome over four pods and two seconds, every request as slow as the others, or else as those before or after the event."""
    codes = codes or {"OK": 40}
    spread = [code for code, count in codes.items() for _ in range(count)]
    course = Scenario.named(scenario, 4)
    after_s = latency_s if latency_after_s is None else latency_after_s
    moments = [(2.0 * i / len(spread), code) for i, code in enumerate(spread)]
    samples = [
        Sample(at_s, latency_s if at_s < course.event_at_s(2.0) else after_s, code, late_s) for at_s, code in moments
    ]
    return Outcome(
        contender=contender,
        scenario=course,
        duration_s=2.0,
        samples=samples,
        received={f"127.0.0.{2 + i}:50051": count for i, count in enumerate(received)},
        received_before={f"127.0.0.{2 + i}:50051": count for i, count in enumerate(received_before)},
        new_endpoint_first_request_s=new_endpoint_first_request_s,
        replaced=replaced,
    )
