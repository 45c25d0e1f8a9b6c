"""What one sees, in a few sentences computed from the numbers, also when they are not what one hoped for."""

from collections.abc import Iterator, Sequence
from typing import Final

from .outcome import Outcome
from .scenario import SLOWDOWN, WARM
from .workload import UTILISATION

_EVEN: Final = 1.10
_SERVES_WITHIN_S: Final = 1.0
_CALM_ROLL: Final = 1.5
"""How much p99 may rise while pods are replaced."""


def verdict(outcomes: Sequence[Outcome]) -> list[str]:
    """Sentences about one scenario. Expects an outcome of each of its contenders."""
    by_name = {outcome.contender: outcome for outcome in outcomes}
    if outcomes[0].scenario.replaced:
        return [*_cold_start(*outcomes), *_failures(by_name[WARM]), *_doubts(outcomes)]
    kube_proxy, round_robin, trimtab = by_name["kube-proxy"], by_name["round-robin"], by_name["trimtab"]
    scenario = trimtab.scenario
    if scenario.slowed:
        sentences = _slow_pod(kube_proxy, round_robin, trimtab)
    elif scenario.joining:
        sentences = _scale_up(kube_proxy, round_robin, trimtab)
    else:
        sentences = _steady(kube_proxy, round_robin, trimtab)
    return [*sentences, *_failures(trimtab), *_doubts(outcomes)]


def _steady(kube_proxy: Outcome, round_robin: Outcome, trimtab: Outcome) -> Iterator[str]:
    yield (
        f"The busiest pod got {kube_proxy.max_over_mean:.2f} times its fair share under kube-proxy, "
        f"{round_robin.max_over_mean:.2f} times under round-robin and {trimtab.max_over_mean:.2f} times under trimtab"
        + ("." if trimtab.max_over_mean <= _EVEN else f", which is more than the {_EVEN:.2f} it should stay under.")
    )
    yield _p99_against("kube-proxy", kube_proxy.latency.p99_ms, trimtab.latency.p99_ms)


def _slow_pod(kube_proxy: Outcome, round_robin: Outcome, trimtab: Outcome) -> Iterator[str]:
    pods, slowed = trimtab.scenario.pods, trimtab.scenario.slowed
    yield (
        f"A pod that is {SLOWDOWN:g}× slower can carry {1 / (SLOWDOWN * UTILISATION * pods):.1%} of this load. It was sent "
        f"{kube_proxy.share_after(slowed):.1%} of the requests by kube-proxy, "
        f"{round_robin.share_after(slowed):.1%} by round-robin and {trimtab.share_after(slowed):.1%} by trimtab."
    )
    yield _p99_against("round-robin", round_robin.latency.p99_ms, trimtab.latency.p99_ms)


def _scale_up(kube_proxy: Outcome, round_robin: Outcome, trimtab: Outcome) -> Iterator[str]:
    for outcome in (kube_proxy, round_robin, trimtab):
        first_s = outcome.new_endpoint_first_request_s
        if first_s is None:
            yield f"Under {outcome.contender} {_idle(outcome)} of {outcome.scenario.joining} new pods got no request."
        else:
            slow = "" if first_s <= _SERVES_WITHIN_S else f", later than the {_SERVES_WITHIN_S:g} s it should take"
            yield f"Under {outcome.contender} every new pod served {first_s:.2f} s after the manifests changed{slow}."
    yield _p99_against("kube-proxy", kube_proxy.latency.p99_ms, trimtab.latency.p99_ms)


def _cold_start(*outcomes: Outcome) -> Iterator[str]:
    for outcome in outcomes:
        factor = outcome.after.p99_ms / max(outcome.before.p99_ms, 0.1)
        yield (
            f"While pods were replaced, p99 was {outcome.after.p99_ms:,.0f} ms with {outcome.contender}, {factor:.2f} times "
            f"the {outcome.before.p99_ms:,.0f} ms before; {outcome.errors.total()} requests failed."
        )
        if outcome.replaced < outcome.scenario.pods:
            yield (
                f"Only {outcome.replaced} of {outcome.scenario.pods} pods were replaced under {outcome.contender} while there "
                "was load: give it a longer --duration."
            )
        if outcome.contender == WARM and factor > _CALM_ROLL:
            yield f"That is more than the {_CALM_ROLL:g} times it should stay under."


def _idle(outcome: Outcome) -> int:
    return list(outcome.received.values())[outcome.scenario.initial :].count(0)


def _p99_against(other: str, other_ms: float, ours_ms: float) -> str:
    compared = f"p99 was {ours_ms:,.0f} ms with trimtab and {other_ms:,.0f} ms with {other}"
    if ours_ms < other_ms * 0.95:
        return f"{compared}: {1 - ours_ms / other_ms:.0%} lower."
    return f"{compared}: no gain in this run."


def _failures(recommended: Outcome) -> Iterator[str]:
    if failed := recommended.errors.total():
        yield f"{failed} requests failed under {recommended.contender} ({', '.join(sorted(recommended.errors))}); none should."


def _doubts(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What speaks against trusting the numbers."""
    for outcome in outcomes:
        if outcome.machine_was_too_busy:
            yield (
                f"The machine was too busy to trust {outcome.contender}'s latencies: its clients sent 1 % of their "
                f"requests more than {outcome.late_s * 1000:.0f} ms late. Try fewer --backends or a quieter machine."
            )
