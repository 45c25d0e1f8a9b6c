"""New Pods come to their share as Envoy's curve says, counted on the control plane's clock, whatever that shows."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.client.eventually import eventually_async
from tests.e2e.control_plane import control_plane
from tests.e2e.kubernetes import Kubernetes, Pod, Service
from tests.e2e.process import PATIENCE_S
from trimtab import aio
from trimtab.balance import NodeState

WINDOW_S = 3600.0
PAYMENTS = Service(policy={"slow_start_s": WINDOW_S, "slow_start_min": 0.1})
AGES_S = (0.8 * WINDOW_S, 0.5 * WINDOW_S, 0.1 * WINDOW_S)
CALLS, AT_A_TIME = 4_000, 4


class Clock:
    """Wall time in processes that are started from now on, as far from the true one as we say."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "skew_s"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            "import time\n"
            "from pathlib import Path\n"
            "true = time.time\n"
            f"time.time = lambda: true() + float(Path({str(self._file)!r}).read_text())\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(folder))

    def set(self, skew_s: float) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(skew_s))
        draft.replace(self._file)


@pytest.mark.parametrize("skew_s", [-7200.0, 7200.0])
async def test_a_new_pod_gets_the_part_that_its_age_allows(
    kubernetes: Kubernetes, pods: list[Pod], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew_s: float
) -> None:
    clock = Clock(tmp_path / "clock", monkeypatch)
    clock.set(skew_s - WINDOW_S)
    kubernetes.put(PAYMENTS, *pods[:3])
    async with control_plane(kubernetes.folder) as serving:
        async with aio.channel(PAYMENTS.target, control_plane=serving.xds) as witness:
            await connected(witness, 3)
            for count, age_s in enumerate(AGES_S, start=4):
                clock.set(skew_s - age_s)
                kubernetes.put(PAYMENTS, *pods[:count])
                await connected(witness, count)
        clock.set(skew_s)
        # Whoever comes now has seen none of it happen.
        async with aio.channel(PAYMENTS.target, control_plane=serving.xds) as channel:
            states = await connected(channel, 6)
            calls = await share_out(channel)
    ramps = {f"{pod.address}:{pod.port}": age_s / WINDOW_S for pod, age_s in zip(pods[3:], AGES_S, strict=True)}
    assert {state.address: state.ramp for state in states} == pytest.approx(
        {f"{pod.address}:{pod.port}": 1.0 for pod in pods[:3]} | ramps, abs=0.03
    )
    whole = 3 + sum(ramps.values())
    for pod, ramp in zip(pods[3:], ramps.values(), strict=True):
        assert calls[pod.name] == pytest.approx(CALLS * ramp / whole, rel=0.1)


async def connected(channel: aio.AioChannel, count: int) -> tuple[NodeState, ...]:
    """The states of `count` endpoints, once that many are connected."""

    def ready() -> bool:
        return [state.connectivity for state in channel.explain()] == ["ready"] * count

    await eventually_async(ready, PATIENCE_S)
    return channel.explain()


async def share_out(channel: aio.AioChannel) -> Counter[str]:
    """How many of many calls each Pod has answered."""
    who = channel.unary_unary("/echo.Echo/Who")
    answers: Counter[str] = Counter()

    async def caller() -> None:
        for _ in range(CALLS // AT_A_TIME):
            answer: bytes = await who(b"", timeout=PATIENCE_S)
            answers[answer.decode()] += 1

    await asyncio.gather(*(caller() for _ in range(AT_A_TIME)))
    return answers
