"""A Pod's age is what it is, whichever replica of the control plane is asked, and however late that was started."""

import contextlib
from pathlib import Path

import pytest

from tests.client.eventually import eventually_async
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubernetes import Kubernetes, Pod
from tests.e2e.process import PATIENCE_S
from tests.e2e.test_slow_start import PAYMENTS, WINDOW_S, Clock, connected
from trimtab import aio

AGE_S = 0.5 * WINDOW_S


def ramp(channel: aio.AioChannel, pod: Pod) -> float:
    (state,) = (one for one in channel.explain() if one.address == f"{pod.address}:{pod.port}")
    return state.ramp


async def test_a_replica_that_was_started_later_neither_ages_a_pod_nor_makes_it_new(
    kubernetes: Kubernetes, pods: list[Pod], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(tmp_path / "clock", monkeypatch)
    clock.set(-AGE_S)
    kubernetes.put(PAYMENTS, *pods[:3])
    old, new = ControlPlane(kubernetes.folder), ControlPlane(kubernetes.folder)
    old.more, new.more = ("--peers", new.xds), ("--peers", old.xds)
    servers = [{"server_uri": one.xds, "channel_creds": [{"type": "insecure"}]} for one in (old, new)]
    async with contextlib.AsyncExitStack() as stack:
        for one in (old, new):
            stack.push_async_callback(one.close)
        await old.start()
        channel = await stack.enter_async_context(aio.channel(PAYMENTS.target, bootstrap={"xds_servers": servers}))
        await connected(channel, 3)
        kubernetes.put(PAYMENTS, *pods[:4])
        await connected(channel, 4)
        clock.set(0.0)
        await new.start()

        async with aio.channel(PAYMENTS.target, control_plane=new.xds) as newcomer:
            await connected(newcomer, 4)
            assert ramp(newcomer, pods[3]) == pytest.approx(AGE_S / WINDOW_S, abs=0.03)
        before = ramp(channel, pods[3])
        await old.kill()
        kubernetes.put(PAYMENTS, *pods[:5])
        # It can have that from the new one only.
        await connected(channel, 5)
        await eventually_async(lambda: ramp(channel, pods[4]) < 0.2, PATIENCE_S)
        assert ramp(channel, pods[3]) == pytest.approx(before, abs=0.03)
