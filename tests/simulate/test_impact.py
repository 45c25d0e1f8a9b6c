import msgspec
import pytest

from tests.simulate.fleets import scenario
from trimtab.simulate import experiment, impact
from trimtab.simulate.event import Slow
from trimtab.simulate.impact import losses, page
from trimtab.simulate.report import Report
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, Contestant, Scenario
from trimtab.simulate.scenario_file import load


def played(asked: Scenario) -> Report:
    findings = experiment.run(asked, asked.contenders, (1, 2, 3), processes=1)
    return Report("small", asked, (1, 2, 3), findings)


def test_a_loss_is_told_by_whoever_lost() -> None:
    # One client, equal pods and equal requests: round robin spaces them evenly, which two random choices cannot.
    equal = scenario(
        clients=(ClientGroup(requests_per_s=600),),
        contenders=("round_robin", "p2c"),
        requests=(RequestKind(service_time=ServiceTime(distribution="constant", mean_ms=10.0)),),
        duration_s=30.0,
    )
    told = list(losses(played(equal)))
    assert any("round_robin has p99" in loss for loss in told)


def test_a_win_is_not_a_loss() -> None:
    slow = scenario(
        clients=(ClientGroup(utilisation=0.6),),
        contenders=("round_robin", "p2c"),
        events=(Slow(at_s=0, first=2, factor=4.0),),
    )
    assert list(losses(played(slow))) == []


def test_policies_of_a_scenario_are_ours() -> None:
    asked = scenario(contenders=("kube-proxy", Contestant(name="tuned", policy={"strategy": "random"})), duration_s=2.0)
    report = played(asked)
    assert [impact.is_ours(finding, asked.contenders) for finding in report.findings] == [False, True]


def test_the_page_has_a_row_for_each_contender_and_says_where_it_lost() -> None:
    asked = scenario(contenders=("kube-proxy", "p2c"), about="What it is about.", duration_s=3.0)
    text = page([played(asked)], "figures")
    assert "## small" in text
    assert "| kube-proxy | " in text
    assert "| p2c | " in text
    assert "![Latency over time](figures/small.svg)" in text
    assert "## Where Trimtab does not win" in text


@pytest.mark.parametrize("subject", impact.SUBJECTS, ids=lambda subject: subject.name)
def test_every_subject_can_be_played(subject: impact.Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    full = load(subject.name)
    monkeypatch.setattr(
        "trimtab.simulate.impact.load", lambda _: msgspec.structs.replace(full, duration_s=0.5, warm_up_s=0.0)
    )
    report = impact.report(impact.Subject(subject.name), (1,), processes=1)
    assert "shortest-queue" not in {finding.contender for finding in report.findings}
    assert any(impact.is_ours(finding, report.scenario.contenders) for finding in report.findings)
