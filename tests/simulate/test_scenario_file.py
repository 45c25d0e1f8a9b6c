from pathlib import Path

import msgspec
import pytest

from trimtab.errors import ScenarioError
from trimtab.simulate import experiment
from trimtab.simulate.event import Crash, Slow
from trimtab.simulate.scenario_file import load, parse, shipped

MINIMAL = """
title: small
duration_s: 1
pods:
  - {name: pod, count: 2}
clients:
  - {requests_per_s: 100}
"""


def test_a_minimal_scenario_has_defaults_for_the_rest() -> None:
    scenario = parse(MINIMAL, "small.yaml")
    assert scenario.pods[0].concurrency == 1
    assert scenario.timeout_s is None
    assert "p2c" in scenario.contenders


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "durations: 3", "small.yaml: the file: Object contains unknown field `durations`"),
        (MINIMAL + "timeout_s: soon", "small.yaml: timeout_s: Expected `float | null`, got `str`"),
        (MINIMAL.replace("count: 2", "count: 0"), "small.yaml: pods[0].count: Expected `int` >= 1"),
        (MINIMAL.replace("name: pod", "name: Pod"), "small.yaml: pods[0].name: Expected `str` matching regex"),
        (
            MINIMAL.replace("count: 2", "count: 2, zones: {a: 1}"),
            "pods[0].zones: the numbers add up to 1, but count is 2",
        ),
        (
            MINIMAL.replace("requests_per_s: 100", "users: 3, utilisation: 1"),
            "clients[0]: give exactly one of requests_per_s, utilisation, users",
        ),
        (MINIMAL + "events: [{do: explode, at_s: 1}]", "small.yaml: events[0].do: Invalid value 'explode'"),
        (MINIMAL + "events: [{do: slow, at_s: 1}]", "small.yaml: events[0]: Object missing required field `factor`"),
        (MINIMAL + "events: [{do: slow, at_s: 3, until_s: 2, factor: 2}]", "events[0].until_s: must be after at_s"),
        (
            MINIMAL + "events: [{do: start, at_s: 1, pods: new}]",
            "events[0].pods: there is no group 'new'; there are pod",
        ),
        (
            MINIMAL + "events: [{do: hang, at_s: 1}]",
            "events[0]: without timeout_s a request to a hanging pod would never",
        ),
        (
            MINIMAL + "requests: [{service_time: {distribution: quantiles, quantiles_ms: {'0': 1}}}]",
            "requests[0].service_time.quantiles_ms: the first share is '0' and the last '1'",
        ),
        (
            MINIMAL + "network: {between_ms: {a: {b: 1}}}",
            "network.between_ms: there is no zone 'a'; there are none",
        ),
        (
            MINIMAL.replace("count: 2", "count: 2, cold_start: {curve: [{age_s: 1, factor: 3}]}"),
            "pods[0].cold_start.curve: expected two points or more, the first at age_s 0, in order",
        ),
        (
            MINIMAL.replace("count: 2", "count: 2, service_time: {distribution: quantiles}"),
            "pods[0].service_time.quantiles_ms: the first share is '0' and the last '1'",
        ),
        (
            MINIMAL + "published: [{metric: p99_ms, contender: p2c, than: nginx, value: 0.8, source: me}]",
            "published[0].than: there is no contender 'nginx' in this scenario",
        ),
        (
            MINIMAL + "requests: [{cost: cheap}]",
            "requests[0].cost: Invalid enum value 'cheap'",
        ),
        (MINIMAL + "contenders: []", "small.yaml: contenders: Expected `array` of length >= 1"),
        (
            MINIMAL.replace("duration_s: 1", "duration_s: .inf"),
            "small.yaml: the file: `duration_s`: expected finite numbers",
        ),
        (MINIMAL.replace("s: 100", "s: .nan"), "small.yaml: clients[0].requests_per_s: Expected `float`"),
        (MINIMAL + "network: {between_ms: {a: {b: .inf}}}", "network: `between_ms`: expected finite numbers"),
        (MINIMAL + "events: [{do: stop, at_s: 0, zone: a}]", "events[0].zone: there is no zone 'a'; there are none"),
        (
            MINIMAL.replace("count: 2}", "count: 2, zones: {a: 2}}\n  - {name: other, count: 1, zones: {b: 1}}")
            + "events: [{do: stop, at_s: 0, zone: b, pods: pod}]",
            "events[0].zone: there is no zone 'b' with pods of pod; there are a",
        ),
        (MINIMAL + "events: [{do: stop, at_s: 0, first: 3}]", "events[0].first: expected at most 2, as many as"),
        (
            MINIMAL.replace("count: 2", "count: 2, zones: {a: 1, b: 1}")
            + "events: [{do: stop, at_s: 0, first: 2, zone: a}]",
            "events[0].first: expected at most 1",
        ),
        (MINIMAL + "events: [{do: stop, at_s: 1}]", "events[0].at_s: at 1 s all is over; duration_s is 1"),
        (
            MINIMAL + "contenders: [p2c, {name: both, use: random, policy: {strategy: p2c}}]",
            "contenders[1]: give either use or policy",
        ),
        (MINIMAL + "contenders: [p2c, {name: p2c, use: random}]", "contenders: two are called 'p2c'"),
        ("pods: [", "small.yaml: not YAML"),
        ("[]", "small.yaml: the file: Expected `object`, got `array`"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "small.yaml")
    assert message in str(caught.value)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ScenarioError, match=r"neither a file nor a scenario of Trimtab; there are .*slow-pod"):
        load("slow-pots")


def test_a_scenario_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINIMAL + "events: [{do: crash, at_s: 0.5}, {do: slow, at_s: 0, factor: 3}]")
    crash, slow = load(str(file)).events
    assert isinstance(crash, Crash)
    assert isinstance(slow, Slow)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_plays_with_its_contenders(name: str) -> None:
    scenario = load(name)
    assert scenario.about, "says what it is about"
    assert scenario.aim, "says what to look at"
    contestants = {c if isinstance(c, str) else c.name for c in scenario.contenders}
    assert {published.contender for published in scenario.published} <= contestants
    short = msgspec.structs.replace(scenario, duration_s=0.5, warm_up_s=0.0)
    findings = experiment.run(short, scenario.contenders, [1], processes=1)
    assert {finding.contender for finding in findings} == contestants
    assert all(finding.metric("requests").value > 0 for finding in findings)
