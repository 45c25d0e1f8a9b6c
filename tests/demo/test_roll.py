"""The replacement of every pod, small: the real example service, control plane, clients and signals."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from trimtab.demo.pod import reserved_pods
from trimtab.demo.roll import RollRun
from trimtab.demo.scenario import COLD, WARM, Scenario
from trimtab.demo.settings import Settings
from trimtab.demo.view import PlainView

PODS = 4


async def test_pods_that_warm_up_are_replaced_without_a_failed_request(tmp_path: Path) -> None:
    # Two steps, so that a busy machine gets through them while the load lasts.
    scenario = Scenario("cold-start", PODS, replaced=True, cold_start_s=0.2, surge=0.5, calm=0.2)
    settings = Settings(backends=PODS, clients=2, duration_s=8.0)
    with reserved_pods(2 * PODS) as pods:
        view = PlainView(Console(file=StringIO()))
        async with RollRun(settings, scenario, WARM, pods[:PODS], pods[PODS:], tmp_path, view) as run:
            outcome = await run.measure()
    assert outcome.replaced == PODS
    assert not outcome.errors
    assert list(outcome.received) == [pod.authority for pod in pods[:PODS]]
    assert sum(outcome.received.values()) == len(outcome.samples) > 0


async def test_a_pod_that_does_not_warm_up_makes_its_first_callers_wait(tmp_path: Path) -> None:
    scenario = Scenario("cold-start", 2, replaced=True, cold_start_s=1.5, calm=0.2)
    settings = Settings(backends=2, clients=2, duration_s=2.0)
    with reserved_pods(4) as pods:
        view = PlainView(Console(file=StringIO()))
        async with RollRun(settings, scenario, COLD, pods[:2], pods[2:], tmp_path, view) as run:
            outcome = await run.measure()
    assert not outcome.errors
    assert max(sample.latency_s for sample in outcome.samples) > 1.0
