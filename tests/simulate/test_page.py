import json
from xml.etree import ElementTree

import pytest

from tests.simulate.fleets import scenario
from trimtab.simulate import experiment
from trimtab.simulate.charts import charts
from trimtab.simulate.event import Fail
from trimtab.simulate.page import page
from trimtab.simulate.report import Report, shown
from trimtab.simulate.report_json import as_json
from trimtab.simulate.scenario import PodGroup, Published
from trimtab.simulate.sizing import Need, Target
from trimtab.simulate.statistics import Interval


@pytest.fixture(scope="module")
def report() -> Report:
    told = scenario(
        title="Fish & <chips>",
        about="about it",
        duration_s=3.0,
        pods=(PodGroup(name="pod", count=4, zones={"a": 2, "b": 2}),),
        events=(Fail(at_s=1, first=1, share=0.5, until_s=2),),
        published=(Published(metric="p99_ms", contender="p2c", value=12.0, source="nobody"),),
    )
    findings = experiment.run(told, ["kube-proxy", "p2c"], [1, 2], processes=1)
    needs = [Need("kube-proxy", [9, None]), Need("p2c", [4, 6])]
    return Report("fish", told, (1, 2), findings, Target("p99_ms", 50.0), needs)


def test_every_picture_is_an_svg_of_its_own(report: Report) -> None:
    pictures = list(charts(report))
    assert [title for title, _, _ in pictures] == [
        "Latency",
        "Latency over time",
        "Errors over time",
        "Requests per pod",
        "Requests per pod over time",
        "p90 per pod over time",
        "Pods needed",
    ]
    for _, reading, svg in pictures:
        assert reading
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_page_stands_alone_and_says_what_it_shows(report: Report) -> None:
    text = page(report)
    assert "<h1>Fish &amp; &lt;chips&gt;</h1>" in text
    for part in (
        "kube-proxy",
        "p2c",
        "nobody",
        "Time lines",
        "1 s: 50% fail",
        "more than eight times as many",
        "p99 ≤ 50 ms",
        "fish",
    ):
        assert part in text
    for reference in ("<script", "<link", "src=", 'href="http', "@import", "url(http"):
        assert reference not in text


def test_the_same_report_gives_the_same_page(report: Report) -> None:
    assert page(report) == page(report)


def test_the_json_has_no_numbers_that_json_does_not_have(report: Report) -> None:
    found = as_json(report)
    assert found["pods_needed"] == {"kube-proxy": None, "p2c": {"value": 5.0, "half_width": pytest.approx(12.71)}}
    assert found["published"][0]["here"] == found["contenders"][1]["metrics"]["p99_ms"]
    json.dumps(found, allow_nan=False)
    [run, _] = found["contenders"][1]["runs"]
    assert sum(map(sum, run["over_time"]["requests_per_pod"])) == sum(run["requests_per_pod"])
    assert [(event["at_s"], event["contender"]) for event in found["events"]] == [
        (1, "kube-proxy"),
        (1, "p2c"),
        (2, "kube-proxy"),
        (2, "p2c"),
    ]


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (Interval(12.345, float("nan")), "p99_ms", "12.3"),
        (Interval(1234.5, 67.8), "p99_ms", "1234 ± 68"),
        (Interval(1.0, 0.001), "max_over_mean", "1.00"),
        (Interval(0.0123, 0.004), "errors", "1.23 ± 0.40 %"),
        (Interval(float("nan"), float("nan")), "p99_ms", "–"),
    ],
)
def test_numbers_are_shown_with_as_many_digits_as_make_sense(value: Interval, metric: str, text: str) -> None:
    assert shown(value, metric) == text
