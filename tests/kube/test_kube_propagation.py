"""From the write of a slice to the last of 1,000 streams that follow it. Reported, not judged."""

import time
from statistics import median

import pytest

from benchmarks.kube import CONNECTIONS, Followers
from tests.control.kube.following import following
from tests.control.kube.json_objects import Json, endpoint_slice
from tests.kube.api_server import ApiServer
from tests.kube.cluster import shop_service
from trimtab.control.census import Census
from trimtab.control.metrics import Metrics
from trimtab.control.xds_server import OPTIONS, XdsServer
from trimtab.model import ServiceRef

ROUNDS = 15
FOLLOWED = ServiceRef("s0", "bench", "8080")
# A thousand clients over a few connections.
MANY_STREAMS = tuple((key, 128 if key == "grpc.max_concurrent_streams" else value) for key, value in OPTIONS)


def in_bench(item: Json, name: str) -> Json:
    return {**item, "metadata": {**item["metadata"], "name": name, "namespace": "bench"}}


async def test_how_soon_a_thousand_streams_know_of_a_written_slice(
    api: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    p50_s, p99_s, last_s = [], [], []
    await api.put({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "bench"}})
    await api.put(in_bench(shop_service(), "s0"))
    await api.put(in_bench(endpoint_slice("10.0.0.1", of="s0"), "s0-1"))
    async with following(api.url, credentials=api.access()) as follower:
        await follower.until(lambda: follower.addresses(FOLLOWED) == ["10.0.0.1"])
        server = XdsServer(follower.store, Census(), Metrics(), options=MANY_STREAMS)
        port = await server.start("127.0.0.1:0")
        server.complete()
        crowd = Followers()
        try:
            await crowd.connect(port, CONNECTIONS)
            for turn in range(ROUNDS):
                crowd.received_at.clear()
                began = time.monotonic()
                await api.replace(in_bench(endpoint_slice("10.0.0.1", f"10.0.1.{turn}", of="s0"), "s0-1"))
                await crowd.until_all()
                delays = sorted(at - began for at in crowd.received_at)
                p50_s.append(delays[len(delays) // 2])
                p99_s.append(delays[int(len(delays) * 0.99)])
                last_s.append(delays[-1])
        finally:
            await crowd.close()
            await server.stop(None)
    figures = ", ".join(
        f"{name} {median(found) * 1e3:.1f} ms" for name, found in (("p50", p50_s), ("p99", p99_s), ("last", last_s))
    )
    said = f"{type(api).__name__}: slice written, as the writer began, to 1,000 streams in the same process: {figures}"
    with capsys.disabled():
        print(f"\n{said}")  # noqa: T201
