"""Both adapters count the same calls of a real balancer."""

import logging
import random

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from tests.balance import fleet
from trimtab.balance import Balancer, Connectivity, Node, Outcome, Pick, Recorder, Request
from trimtab.model import Assignment, Locality, LocalityEndpoints, OutlierDetection, Policy
from trimtab.recorders.opentelemetry import OpenTelemetryRecorder
from trimtab.recorders.prometheus import PrometheusMetrics

REQUEST = Request("/shop.Shop/Buy")


def play(recorder: Recorder) -> None:
    """Ten calls to two idle endpoints, one of which fails; the eighth failure in a row ejects nobody twice."""
    now = [0.0]
    policy = Policy(success_rate=None, outlier_detection=OutlierDetection())
    balancer = Balancer(policy, client_id="t", rng=random.Random(1), clock=lambda: now[0], recorder=recorder)
    fleet.update(balancer, fleet.endpoints(2))
    bad = next(iter(balancer.nodes))
    failures = 0
    while failures < 5:
        pick = balancer.pick(REQUEST)
        assert pick is not None
        now[0] += 0.25
        failures += pick.node is bad
        pick.done(Outcome("UNAVAILABLE" if pick.node is bad else "OK"))
    balancer.refresh()


def leave(recorder: Recorder) -> None:
    """Seven picks in another zone than the client's, where the service is not."""
    group = LocalityEndpoints(Locality("", "b"), fleet.endpoints(2))
    balancer = Balancer(Policy(), client_id="t", rng=random.Random(1), clock=lambda: 0.0, recorder=recorder)
    balancer.update(Assignment("shop", (group,), client_zone="a"))
    for node in balancer.nodes:
        balancer.connectivity_changed(node, Connectivity.READY)
    for _ in range(7):
        balancer.pick(REQUEST)
    balancer.refresh()


def test_prometheus_counts_what_leaves_the_zone() -> None:
    registry = CollectorRegistry()
    leave(PrometheusMetrics(registry).recorder("shop"))
    labels = {"grpc_target": "shop", "reason": "no-local"}
    assert registry.get_sample_value("trimtab_pick_cross_zone_total", labels) == 7


def test_opentelemetry_counts_what_leaves_the_zone() -> None:
    reader = InMemoryMetricReader()
    leave(OpenTelemetryRecorder("shop", MeterProvider([reader])))
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric.data.data_points for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    [point] = metrics["trimtab.pick.cross_zone"]
    assert dict(point.attributes or {}) == {"grpc.target": "shop", "reason": "no-local"}
    assert getattr(point, "value", 0) == 7


def test_prometheus() -> None:
    registry = CollectorRegistry()
    play(PrometheusMetrics(registry).recorder("shop"))
    target = {"grpc_target": "shop"}
    method = {**target, "grpc_method": "shop.Shop/Buy"}
    started = registry.get_sample_value("grpc_client_attempt_started_total", method)
    assert started is not None
    failed = {**method, "grpc_status": "UNAVAILABLE"}
    assert registry.get_sample_value("grpc_client_attempt_duration_seconds_count", failed) == 5
    assert registry.get_sample_value("grpc_client_attempt_duration_seconds_sum", failed) == 1.25
    assert registry.get_sample_value("trimtab_pick_zero_load_total", target) == started
    assert registry.get_sample_value("trimtab_ejections_total", {**target, "reason": "failures in a row"}) == 1


def test_opentelemetry() -> None:
    reader = InMemoryMetricReader()
    play(OpenTelemetryRecorder("shop", MeterProvider([reader])))
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric.data.data_points for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    values = {name: sum(getattr(point, "value", 0) for point in points) for name, points in metrics.items()}
    assert values["grpc.client.attempt.started"] == values["trimtab.pick.zero_load"] > 5
    assert values["trimtab.ejections"] == 1
    failed = next(
        p
        for p in metrics["grpc.client.attempt.duration"]
        if dict(p.attributes or {}).get("grpc.status") == "UNAVAILABLE"
    )
    assert getattr(failed, "count", 0) == 5
    [started] = metrics["grpc.client.attempt.started"]
    assert dict(started.attributes or {}) == {"grpc.target": "shop", "grpc.method": "shop.Shop/Buy"}


class Broken:
    """A recorder of which nothing works."""

    def picked(self, pick: Pick) -> None:
        raise KeyError("picked")

    def ended(self, pick: Pick, outcome: Outcome, duration_s: float) -> None:
        raise KeyError("ended")

    def idle_pairs(self, count: int) -> None:
        raise KeyError("idle_pairs")

    def crossed(self, reason: str, count: int) -> None:
        raise KeyError("crossed")

    def ejected(self, node: Node, reason: str) -> None:
        raise KeyError("ejected")


def test_a_recorder_that_fails_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Broken()
    with caplog.at_level(logging.ERROR):
        play(recorder)
        leave(recorder)
    messages = [record.getMessage() for record in caplog.records]
    for method in ("picked", "ended", "idle_pairs", "crossed", "ejected"):
        # Once for each of the two balancers at most, however many calls there were.
        assert 1 <= sum(f"{method} failed" in message for message in messages) <= 2


def test_a_recorder_that_fails_leaves_no_call_in_flight() -> None:
    balancer = Balancer(Policy(), client_id="t", rng=random.Random(1), clock=lambda: 0.0, recorder=Broken())
    fleet.update(balancer, fleet.endpoints(2))
    for _ in range(10):
        pick = balancer.pick(REQUEST)
        assert pick is not None
        pick.done(Outcome("OK"))
    assert [node.in_flight for node in balancer.nodes] == [0, 0]
