from typing import Any

from trimtab.demo.verdict import verdict

from .outcomes import outcome


def said(scenario: str, *, others: dict[str, Any] | None = None, **trimtab: Any) -> str:
    """The verdict on a scenario, of which `others` and `trimtab` say what is special about them."""
    rivals = [outcome(name, scenario=scenario, **(others or {})) for name in ("kube-proxy", "round-robin")]
    return " ".join(verdict([*rivals, outcome("trimtab", scenario=scenario, **trimtab)]))


def test_an_even_spread_is_reported_as_it_was_measured() -> None:
    text = said("steady", others={"received": (30, 10, 0, 0)}, received=(10, 10, 10, 11))
    assert "3.00 times its fair share under kube-proxy" in text
    assert "1.07 times under trimtab." in text


def test_a_spread_less_even_than_promised_is_admitted() -> None:
    assert "more than the 1.10 it should stay under" in said("steady", received=(20, 10, 10, 10))


def test_a_lower_p99_is_put_in_numbers() -> None:
    text = said("slow-pod", others={"latency_s": 5.0}, latency_s=1.0)
    assert "1,000 ms with trimtab and 5,000 ms with round-robin: 80% lower." in text


def test_a_p99_that_is_not_lower_is_admitted() -> None:
    assert "no gain in this run" in said("slow-pod", others={"latency_s": 1.0}, latency_s=1.0)


def test_the_slow_pods_share_is_of_the_requests_after_it_became_slow() -> None:
    text = said("slow-pod", received=(6, 13, 13, 8), received_before=(5, 5, 5, 5))
    assert "25.0% by round-robin and 5.0% by trimtab" in text


def test_pods_that_never_served_are_counted() -> None:
    text = said("scale-up", others={"received": (10, 10, 10, 0)}, new_endpoint_first_request_s=0.3)
    assert "Under kube-proxy 1 of 1 new pods got no request." in text
    assert "Under trimtab every new pod served 0.30 s after the manifests changed." in text


def test_new_pods_that_served_late_are_admitted() -> None:
    assert "later than the 1 s it should take" in said("scale-up", new_endpoint_first_request_s=1.5)


def test_failed_requests_are_admitted() -> None:
    text = said("scale-up", codes={"OK": 38, "UNAVAILABLE": 2}, new_endpoint_first_request_s=0.3)
    assert "2 requests failed under trimtab (UNAVAILABLE); none should." in text


def test_a_machine_too_busy_to_measure_is_named() -> None:
    assert "too busy to trust trimtab's latencies" in said("steady", late_s=0.2)
    assert "too busy" not in said("steady")


def rolled(**warm: Any) -> str:
    cold = [outcome(name, scenario="cold-start", latency_after_s=3.0, replaced=4) for name in ("cold", "slow-start")]
    recommended: dict[str, Any] = {"replaced": 4, **warm}
    return " ".join(verdict([*cold, outcome("warm-up+slow-start", scenario="cold-start", **recommended)]))


def test_a_roll_is_compared_with_the_calm_before_it() -> None:
    text = rolled(latency_after_s=0.12)
    assert "p99 was 3,000 ms with cold, 30.00 times the 100 ms before" in text
    assert "p99 was 120 ms with warm-up+slow-start, 1.20 times the 100 ms before; 0 requests failed." in text
    assert "more than the 1.5 times" not in text


def test_a_roll_that_callers_notice_is_admitted() -> None:
    assert "more than the 1.5 times it should stay under" in rolled(latency_after_s=0.2)
    assert "2 requests failed under warm-up+slow-start" in rolled(codes={"OK": 38, "UNAVAILABLE": 2})


def test_a_roll_that_did_not_end_is_admitted() -> None:
    assert "Only 3 of 4 pods were replaced under warm-up+slow-start" in rolled(replaced=3)
