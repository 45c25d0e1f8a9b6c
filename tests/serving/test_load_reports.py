"""Load reports as callers get them, read with the real messages (gRFC A51)."""

import asyncio
import threading
import time
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.client.eventually import eventually_async
from tests.serving.pod import KINDS, PATIENCE_S
from tests.serving.raw_call import trailers_of
from tests.xds.envoy_messages import orca_load_report_pb2, orca_pb2
from trimtab.serving import Drain, Load, Phase
from trimtab.xds.orca import ASK, VISIBLE_TRAILER

QUICK = Drain(quiet_s=0, limit_s=0, finish_s=5)
ALL_KINDS = pytest.mark.parametrize("kind", KINDS)


def report(data: bytes) -> Any:
    return orca_load_report_pb2.OrcaLoadReport.FromString(data)


async def trailers(channel: grpc.aio.Channel, method: str) -> list[tuple[str, Any]]:
    """Everything in the trailing metadata of a call, however it ends."""
    stub: Any = channel.unary_unary(f"/test.Echo/{method}")
    call = stub(b"x", metadata=(ASK,), timeout=PATIENCE_S)
    await call.code()
    return list(await call.trailing_metadata())


class Handlers:
    """One behaviour per way to end a call, for both kinds of server."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def all(self) -> dict[str, Any]:
        names = ("own_trailers", "fails", "aborts", "refuses", "sets_code")
        return {name: getattr(self, f"{self._kind}_{name}") for name in names}

    async def aio_own_trailers(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("mine", "yes"),))
        return request

    def sync_own_trailers(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("mine", "yes"),))
        return request

    async def aio_fails(self, request: bytes, context: Any) -> bytes:
        raise ValueError("meant")

    def sync_fails(self, request: bytes, context: Any) -> bytes:
        raise ValueError("meant")

    async def aio_aborts(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "meant")
        return request

    def sync_aborts(self, request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.UNAVAILABLE, "meant")
        return request

    async def aio_refuses(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the caller's fault")
        return request

    def sync_refuses(self, request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the caller's fault")
        return request

    async def aio_sets_code(self, request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
        return request

    def sync_sets_code(self, request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
        return request


@ALL_KINDS
async def test_every_call_brings_one_report_however_it_ends(kind: str) -> None:
    load = Load(utilization=lambda: 0.25, metrics={"queue_depth": lambda: 3})
    async with (
        KINDS[kind](Handlers(kind).all(), load=load, drain=QUICK) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        for method in Handlers(kind).all():
            metadata = await trailers(channel, method)
            (data,) = [value for key, value in metadata if key == VISIBLE_TRAILER]
            assert report(data).application_utilization == 0.25
            assert dict(report(data).named_metrics) == {"in_flight": 1, "queue_depth": 3}
            assert report(data).cpu_utilization == 0
            assert (("mine", "yes") in metadata) == (method == "own_trailers")
        assert load.in_flight == 0


@ALL_KINDS
async def test_every_call_ends_with_the_trailer_that_a51_names(kind: str) -> None:
    """On the wire: gRPC's clients hand this trailer to their balancer and to nobody else."""
    load = Load(utilization=lambda: 0.25, metrics={"queue_depth": lambda: 3})
    async with KINDS[kind](Handlers(kind).all(), load=load, drain=QUICK) as pod:
        for method in Handlers(kind).all():
            trailers = await trailers_of(pod.address, f"/test.Echo/{method}", b"x")
            said = report(trailers["endpoint-load-metrics-bin"])
            assert (said.application_utilization, said.cpu_utilization) == (0.25, 0)
            assert dict(said.named_metrics) == {"in_flight": 1, "queue_depth": 3}
            # Who did not ask for the report that Python can read is not sent it.
            assert VISIBLE_TRAILER not in trailers
        async with asyncio.timeout(PATIENCE_S):
            # A report is made at most every 20 ms.
            while not said.rps_fractional > said.eps > 0:
                trailers = await trailers_of(pod.address, "/test.Echo/own_trailers", b"x")
                said = report(trailers["endpoint-load-metrics-bin"])


@ALL_KINDS
@pytest.mark.parametrize(
    ("method", "is_error"),
    [("own_trailers", False), ("refuses", False), ("fails", True), ("aborts", True), ("sets_code", True)],
)
async def test_what_speaks_against_the_server_counts_as_its_error(kind: str, method: str, is_error: bool) -> None:
    async with (
        KINDS[kind](Handlers(kind).all(), drain=QUICK) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        await trailers(channel, method)
        # The caller has its answer before the server has counted it.
        await eventually_async(lambda: pod.load.report().requests_per_s > 0)
        said = pod.load.report()
        assert said.errors_per_s == (said.requests_per_s if is_error else 0)


@ALL_KINDS
async def test_a_call_that_its_caller_gives_up_is_over_and_no_error(kind: str) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def aio_hang(request: bytes, context: Any) -> bytes:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return request

    def sync_hang(request: bytes, context: Any) -> bytes:
        gone = threading.Event()
        context.add_callback(gone.set)
        loop.call_soon_threadsafe(entered.set)
        gone.wait(PATIENCE_S)
        loop.call_soon_threadsafe(ended.set)
        return request

    handler: Any = aio_hang if kind == "aio" else sync_hang
    async with KINDS[kind]({"Hang": handler}, drain=QUICK) as pod, grpc.aio.insecure_channel(pod.address) as channel:
        stub: Any = channel.unary_unary("/test.Echo/Hang")
        call = stub(b"")
        await asyncio.wait_for(entered.wait(), PATIENCE_S)
        assert pod.load.in_flight == 1
        call.cancel()
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        await eventually_async(lambda: not pod.load.in_flight)
        assert pod.load.report().errors_per_s == 0


async def test_calls_that_wait_for_a_thread_are_in_flight_until_they_are_given_up() -> None:
    """Cancelled before its turn a call never reaches a handler: gRPC drops it, and so must the count."""
    entered, release = threading.Semaphore(0), threading.Event()

    def hold(request: bytes, context: Any) -> bytes:
        entered.release()
        release.wait(PATIENCE_S)
        return request

    async with (
        KINDS["sync"]({"Hold": hold}, drain=QUICK) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        stub: Any = channel.unary_unary("/test.Echo/Hold")
        running = [stub(b"") for _ in range(4)]
        for _ in running:
            await asyncio.to_thread(entered.acquire, True, PATIENCE_S)
        queued = [stub(b"") for _ in range(3)]
        await eventually_async(lambda: pod.load.in_flight == 7)
        for call in queued:
            call.cancel()
        release.set()
        await asyncio.gather(*running)
        await eventually_async(lambda: not pod.load.in_flight)


@ALL_KINDS
async def test_reports_come_out_of_band_as_often_as_asked_for(kind: str) -> None:
    load = Load(capacity=4, metrics={"tokens": lambda: 7})
    async with KINDS[kind](load=load, drain=QUICK) as pod, grpc.aio.insecure_channel(pod.address) as channel:
        await pod.reached(Phase.READY)
        request = orca_pb2.OrcaLoadReportRequest()
        request.report_interval.FromMilliseconds(100)
        stub: Any = channel.unary_stream("/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics")
        began_at = time.monotonic()
        streaming = stub(request.SerializeToString(), timeout=PATIENCE_S)
        for _ in range(3):
            assert dict(report(await streaming.read()).named_metrics) == {"in_flight": 0, "tokens": 7}
        assert time.monotonic() - began_at >= 0.2
        pod.life.depart()
        while (last := await streaming.read()) is not grpc.aio.EOF:
            report(last)


async def aio_generate(request: bytes, context: Any) -> Any:
    yield request
    yield request


async def aio_write(request: bytes, context: Any) -> None:
    await context.write(request)
    await context.write(request)


def sync_iterate(request: bytes, context: Any) -> Any:
    yield request
    yield request


async def aio_collect(requests: Any, context: Any) -> bytes:
    return b"".join([request async for request in requests])


def sync_collect(requests: Any, context: Any) -> bytes:
    return b"".join(requests)


async def aio_relay(requests: Any, context: Any) -> Any:
    async for request in requests:
        yield request


def sync_relay(requests: Any, context: Any) -> Any:
    yield from requests


def sync_answer(request: bytes, context: Any) -> bytes:
    return request


MAKE: dict[str, Any] = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


@pytest.mark.parametrize(
    ("kind", "arity", "behaviour"),
    [
        ("aio", "unary_unary", sync_answer),
        ("aio", "unary_stream", aio_generate),
        ("aio", "unary_stream", aio_write),
        ("aio", "stream_unary", aio_collect),
        ("aio", "stream_stream", aio_relay),
        ("sync", "unary_stream", sync_iterate),
        ("sync", "stream_unary", sync_collect),
        ("sync", "stream_stream", sync_relay),
    ],
)
async def test_every_way_to_write_a_handler_stays_what_it_is(kind: str, arity: str, behaviour: Any) -> None:
    async with (
        KINDS[kind]({"It": MAKE[arity](behaviour)}, drain=QUICK) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        stub: Any = getattr(channel, arity)("/test.Echo/It")
        call = stub([b"x"] if arity.startswith("stream") else b"x", metadata=(ASK,), timeout=PATIENCE_S)
        answers = [answer async for answer in call] if arity.endswith("stream") else [await call]
        assert set(answers) == {b"x"}
        (data,) = [value for key, value in await call.trailing_metadata() if key == VISIBLE_TRAILER]
        assert report(data).named_metrics["in_flight"] == 1
        await eventually_async(lambda: not pod.load.in_flight)


@ALL_KINDS
async def test_a_stream_that_its_caller_drops_is_over(kind: str) -> None:
    async def aio_endless(request: bytes, context: Any) -> Any:
        while True:
            yield request
            await asyncio.sleep(0.001)

    def sync_endless(request: bytes, context: Any) -> Any:
        while context.is_active():
            yield request

    handler = MAKE["unary_stream"](aio_endless if kind == "aio" else sync_endless)
    async with KINDS[kind]({"It": handler}, drain=QUICK) as pod, grpc.aio.insecure_channel(pod.address) as channel:
        stub: Any = channel.unary_stream("/test.Echo/It")
        call = stub(b"x")
        assert await call.read() == b"x"
        assert pod.load.in_flight == 1
        call.cancel()
        await eventually_async(lambda: not pod.load.in_flight)
        assert pod.load.report().errors_per_s == 0
