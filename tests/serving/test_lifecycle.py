"""A pod's life on both kinds of server, over real connections."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.serving.http_get import get
from tests.serving.pod import KINDS, PATIENCE_S, Gate
from trimtab.serving import Drain, Health, Load, OnFailure, Phase, ServeError, Warmup, lifecycle, repeated

SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
QUICK = Drain(quiet_s=0.1, limit_s=5, finish_s=5)

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def check(channel: grpc.aio.Channel, request: bytes = b"") -> bytes:
    call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
    return bytes(await call(request, timeout=PATIENCE_S))


async def call(channel: grpc.aio.Channel, method: str = "Call") -> bytes:
    stub: Any = channel.unary_unary(f"/test.Echo/{method}")
    return bytes(await stub(b"hello", timeout=PATIENCE_S))


def watch(channel: grpc.aio.Channel, request: bytes) -> Any:
    stub: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
    return stub(request)


def held(release: threading.Event) -> Warmup:
    warmup = Warmup()
    warmup.step("hold", lambda: release.wait(PATIENCE_S))
    return warmup


async def test_it_serves_when_warm_and_not_before(kind: str) -> None:
    release = threading.Event()
    health = Health("test.Echo")
    async with (
        KINDS[kind](warmup=held(release), health=health, probe="127.0.0.1:0", drain=QUICK) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        assert await check(channel) == NOT_SERVING
        status, body = await asyncio.to_thread(get, pod.life.probe_port, "/readyz")
        assert (status, body["phase"]) == (503, "warming up")
        release.set()
        await pod.reached(Phase.READY)
        assert await check(channel, b"\x0a\x09test.Echo") == SERVING
        assert (await asyncio.to_thread(get, pod.life.probe_port, "/readyz"))[0] == 200


async def test_a_warm_up_may_call_the_real_server(kind: str) -> None:
    warmup, where = Warmup(), asyncio.Event()
    addresses: list[str] = []

    async def through_the_server() -> None:
        async with grpc.aio.insecure_channel(addresses[0]) as channel:
            await repeated(lambda: call(channel), 5)()

    def listening() -> None:
        while not where.is_set():
            threading.Event().wait(0.01)

    if kind == "sync":
        # Its warm-up runs in another loop, and grpc.aio wants one loop per process.
        def through_the_server_sync() -> None:
            with grpc.insecure_channel(addresses[0]) as channel:
                for _ in range(5):
                    stub: Any = channel.unary_unary("/test.Echo/Call")
                    stub(b"hello", timeout=PATIENCE_S)

    warmup.step("listen", listening)
    warmup.step("call", through_the_server if kind == "aio" else through_the_server_sync, after=["listen"])
    async with KINDS[kind](warmup=warmup, drain=QUICK) as pod:
        addresses.append(pod.address)
        where.set()
        await pod.reached(Phase.READY, Phase.FAILED)
        assert pod.health.phase is Phase.READY, warmup.steps
        assert pod.load.last_arrival_at > 0


async def test_a_failed_step_leaves_it_unready_until_a_second_try_succeeds(kind: str) -> None:
    warmup, there = Warmup(retry_s=0.01), threading.Event()

    def connect() -> None:
        if not there.is_set():
            raise ConnectionError("not yet")

    warmup.step("connect", connect)
    async with KINDS[kind](warmup=warmup, drain=QUICK) as pod:
        await pod.reached(Phase.FAILED)
        there.set()
        await pod.reached(Phase.READY)


async def test_it_may_serve_with_a_ramp_in_spite_of_a_failed_step(kind: str) -> None:
    warmup = Warmup(on_failure=OnFailure.SERVE_RAMPED, ramp_s=1000)

    def fail() -> None:
        raise OSError("no cache")

    warmup.step("cache", fail)
    load = Load(utilization=lambda: 0.25)
    async with KINDS[kind](warmup=warmup, load=load, drain=QUICK) as pod:
        await pod.reached(Phase.READY)
        assert load.report().application_utilization == pytest.approx(2.5)


async def test_draining_it_says_so_and_goes_on_until_callers_have_moved(kind: str) -> None:
    gate = Gate()
    async with (
        KINDS[kind]({"Wait": gate.handler(kind)}, drain=Drain(quiet_s=0.3, limit_s=60, finish_s=5)) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        await pod.reached(Phase.READY)
        watching = watch(channel, b"")
        assert await watching.read() == SERVING
        under_way = asyncio.create_task(call(channel, "Wait"))
        await gate.entered()
        pod.life.depart()
        assert await watching.read() == NOT_SERVING
        late = asyncio.create_task(call(channel, "Wait"))
        await gate.entered()
        assert pod.health.phase is Phase.DRAINING
        gate.open()
        assert (await under_way, await late) == (b"hello", b"hello")
        assert await watching.read() is grpc.aio.EOF
        await pod.reached(Phase.STOPPED)


async def test_the_limit_ends_a_drain_that_callers_do_not_let_end(kind: str) -> None:
    gate = Gate()
    async with (
        KINDS[kind]({"Wait": gate.handler(kind)}, drain=Drain(quiet_s=60, limit_s=0.2, finish_s=20)) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        await pod.reached(Phase.READY)
        under_way = asyncio.create_task(call(channel, "Wait"))
        await gate.entered()
        pod.life.depart()
        await pod.reached(Phase.STOPPED)
        # The call under way still gets its answer.
        gate.open()
        assert await under_way == b"hello"


async def test_told_twice_it_stops_at_once(kind: str) -> None:
    gate = Gate()
    async with (
        KINDS[kind]({"Wait": gate.handler(kind)}, drain=Drain(60, 60, 60, repeat_s=0)) as pod,
        grpc.aio.insecure_channel(pod.address) as channel,
    ):
        await pod.reached(Phase.READY)
        under_way = asyncio.create_task(call(channel, "Wait"))
        await gate.entered()
        pod.life.depart()
        await pod.reached(Phase.DRAINING)
        pod.life.depart()
        with pytest.raises(grpc.aio.AioRpcError):
            await under_way
        gate.open()


async def test_told_while_it_warms_up_it_goes_without_waiting_for_callers(kind: str) -> None:
    release = threading.Event()
    async with KINDS[kind](warmup=held(release), drain=Drain(60, 60, 60)) as pod:
        pod.life.depart()
        await pod.reached(Phase.STOPPED)
    release.set()


async def test_a_probe_that_cannot_listen_is_the_error_of_entering(kind: str) -> None:
    with pytest.raises(ServeError, match="probe: expected HOST:PORT"):
        async with KINDS[kind](probe="nonsense"):
            raise AssertionError("must not begin")


async def test_a_server_that_has_started_is_the_error_of_entering(kind: str) -> None:
    if kind == "aio":
        server = grpc.aio.server()
        await server.start()
        with pytest.raises(ServeError, match="the server has started already"):
            async with lifecycle(server, signals=()):
                raise AssertionError("must not begin")
        await server.stop(0)
    else:

        def live() -> None:
            with ThreadPoolExecutor(1) as pool:
                sync_server = grpc.server(pool)
                sync_server.start()
                with (
                    pytest.raises(ServeError, match="the server has started already"),
                    lifecycle(sync_server, signals=()),
                ):
                    raise AssertionError("must not begin")
                sync_server.stop(0).wait()

        await asyncio.to_thread(live)


async def test_what_is_no_server_is_refused(kind: str) -> None:
    no_server: Any = kind
    with pytest.raises(ServeError, match=r"lifecycle: expected what grpc\.aio\.server"):
        lifecycle(no_server)


async def test_watching_a_service_that_is_not_there_is_answered_and_goes_on(kind: str) -> None:
    async with KINDS[kind](drain=QUICK) as pod, grpc.aio.insecure_channel(pod.address) as channel:
        watching = watch(channel, b"\x0a\x01x")
        assert await watching.read() == SERVICE_UNKNOWN
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(channel, b"\x0a\x01x")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        for method in ("Check", "Watch"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                stub: Any = channel.unary_unary(f"/grpc.health.v1.Health/{method}")
                await stub(b"\xff\xff", timeout=PATIENCE_S)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_more_watchers_than_threads_leave_threads_for_calls(kind: str) -> None:
    async with KINDS[kind](drain=QUICK) as pod, grpc.aio.insecure_channel(pod.address) as channel:
        await pod.reached(Phase.READY)
        watching = [watch(channel, b"") for _ in range(12)]
        assert [await each.read() for each in watching] == [SERVING] * 12
        assert await call(channel) == b"hello"


async def test_grpcs_own_health_checking_client_moves_away(kind: str) -> None:
    """The independent witness of our Watch: grpcio's client, told to check health, takes a pod for ready when it says so."""
    config = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "test.Echo"}}
    release = threading.Event()
    options = (("grpc.service_config", json.dumps(config)),)
    async with (
        KINDS[kind](warmup=held(release), health=Health("test.Echo"), drain=Drain(60, 60, 5, repeat_s=0)) as pod,
        grpc.aio.insecure_channel(f"ipv4:{pod.address}", options=options) as channel,
    ):
        state = channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.CONNECTING:
            await channel.wait_for_state_change(state)
            state = channel.get_state()
        release.set()
        await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
        pod.life.depart()
        await asyncio.wait_for(channel.wait_for_state_change(grpc.ChannelConnectivity.READY), PATIENCE_S)
        assert pod.health.phase is Phase.DRAINING
        pod.life.depart()


async def test_it_need_not_count_calls(kind: str) -> None:
    """Without the interceptor a drain is a pause, and then gRPC's own grace."""
    if kind == "aio":
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        async with lifecycle(server, drain=QUICK, signals=()) as life:
            await asyncio.wait_for(life.ready(), PATIENCE_S)
            assert port
        assert life.health.phase is Phase.STOPPED
    else:

        def live() -> Phase:
            with ThreadPoolExecutor(1) as pool:
                sync_server = grpc.server(pool)
                assert sync_server.add_insecure_port("127.0.0.1:0")
                with lifecycle(sync_server, drain=QUICK, signals=()) as sync_life:
                    sync_life.ready(PATIENCE_S)
                return sync_life.health.phase

        assert await asyncio.to_thread(live) is Phase.STOPPED
