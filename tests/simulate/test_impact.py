from pathlib import Path

import msgspec
import pytest

from tests.simulate.fleets import scenario
from trimtab.simulate import experiment, impact
from trimtab.simulate.event import Slow
from trimtab.simulate.impact_page import is_ours, losses, page, ties
from trimtab.simulate.report import Report
from trimtab.simulate.request_kind import RequestKind, ServiceTime
from trimtab.simulate.scenario import ClientGroup, Contestant, PodGroup, Scenario
from trimtab.simulate.scenario_file import load
from trimtab.simulate.sizing import Need, Target


def played(asked: Scenario, *needs: Need) -> Report:
    findings = experiment.run(asked, asked.contenders, (1, 2, 3), processes=1)
    return Report("small", asked, (1, 2, 3), findings, Target("p99_ms", 30.0) if needs else None, needs)


CONSTANT = RequestKind(service_time=ServiceTime(distribution="constant", mean_ms=10.0))
EQUAL = scenario(
    clients=(ClientGroup(requests_per_s=600),), contenders=("round_robin", "p2c"), requests=(CONSTANT,), duration_s=30.0
)
"""One client, equal pods and equal requests: round robin spaces them evenly, which two random choices cannot."""


def test_a_loss_is_told_by_whoever_lost() -> None:
    told = list(losses(played(EQUAL)))
    assert any("round_robin has p99" in loss and ", p2c " in loss for loss in told)
    assert not list(ties(played(EQUAL)))


def test_a_loss_of_the_default_names_the_policy_that_helps() -> None:
    best = Contestant(name="all of them", policy={"strategy": "least_request"})
    asked = msgspec.structs.replace(EQUAL, contenders=("round_robin", "p2c", best))
    assert any(loss.endswith(".") and ", all of them " in loss for loss in losses(played(asked)))


def test_a_win_is_not_a_loss() -> None:
    slow = scenario(
        clients=(ClientGroup(utilisation=0.6),),
        contenders=("round_robin", "p2c"),
        events=(Slow(at_s=0, first=2, factor=4.0),),
    )
    assert list(losses(played(slow))) == []


def test_whoever_is_certainly_near_is_a_tie() -> None:
    idle = scenario(clients=(ClientGroup(utilisation=0.002),), contenders=("random", "p2c"), requests=(CONSTANT,))
    [tie] = ties(played(idle))
    assert "random is as good as p2c" in tie


def test_what_chance_hides_is_no_tie() -> None:
    # Three pods for three pinned clients: bad luck in some runs, none in others.
    luck = scenario(
        pods=(PodGroup(name="pod", count=3),),
        clients=(ClientGroup(count=3, utilisation=0.5),),
        contenders=("kube-proxy", "p2c"),
        duration_s=20.0,
    )
    assert not list(ties(played(luck)))


def test_fewer_pods_of_another_are_a_loss() -> None:
    report = played(EQUAL, Need("round_robin", [7, 7, 8]), Need("p2c", [10, 11, 10]))
    assert any("round_robin holds p99 ≤ 30 ms with 7.33" in loss and "p2c with 10.3" in loss for loss in losses(report))
    other = played(EQUAL, Need("round_robin", [7, 12, 10]), Need("p2c", [10, 9, 11]))
    assert not any("holds" in loss for loss in losses(other))


def test_policies_of_a_scenario_are_ours() -> None:
    asked = scenario(contenders=("kube-proxy", Contestant(name="tuned", policy={"strategy": "random"})), duration_s=2.0)
    report = played(asked)
    assert [is_ours(finding, asked.contenders) for finding in report.findings] == [False, True]


def test_the_page_has_a_row_for_each_contender_and_says_where_it_lost() -> None:
    asked = scenario(contenders=("kube-proxy", "p2c"), about="What it is about.", duration_s=3.0)
    text = page([played(asked, Need("kube-proxy", [20, 24, 22]), Need("p2c", [10, 12, 11]))], "figures")
    assert "## small" in text
    assert "| kube-proxy | " in text
    assert "| small, p99 ≤ 30 ms | 22.0 ± 5.0 (2.00×) | 11.0 ± 2.5 |" in text
    assert "![Latency over time](figures/small-latency-over-time.svg)" in text
    assert "## Where Trimtab does not win" in text


def test_a_target_that_is_not_held_is_told_as_that() -> None:
    asked = scenario(contenders=("kube-proxy", "p2c"), duration_s=3.0)
    text = page([played(asked, Need("kube-proxy", [None, 24, 22]), Need("p2c", [10, 12, 11]))], "figures")
    assert "| more than 8× in some runs | 11.0 ± 2.5 |" in text


def test_page_and_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = {
        name: msgspec.structs.replace(load(name), duration_s=1.0, warm_up_s=0.0) for name in ("slow-pod", "prequal-cpu")
    }
    monkeypatch.setattr("trimtab.simulate.impact.load", short.__getitem__)
    monkeypatch.setattr("trimtab.simulate.impact.SEEDS", (1, 2))
    monkeypatch.setattr(
        "trimtab.simulate.impact.SUBJECTS", (impact.Subject("slow-pod", "p99=9000"), impact.Subject("prequal-cpu"))
    )
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    (tmp_path / "figures").mkdir()
    impact.main(tmp_path / "impact.md", tmp_path / "figures")
    text = (tmp_path / "impact.md").read_text("utf-8")
    named = {line.partition("(figures/")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")}
    assert named == {file.name for file in (tmp_path / "figures").iterdir()}
    assert "shortest-queue" not in text


@pytest.mark.parametrize("subject", impact.SUBJECTS, ids=lambda subject: subject.name)
def test_every_subject_has_one_of_ours_and_others(subject: impact.Subject) -> None:
    contenders = load(subject.name).contenders
    assert "p2c" in contenders
    assert any(name in contenders for name in ("headless-dns", "round_robin", "envoy-zone-aware"))
