"""`trimtab serve` against a pretended cluster, run as its users run it."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.cli.running import run
from tests.cli.serving import Serving, failing
from tests.cli.test_serve import get
from tests.control.kube.fake_api_server import FakeApiServer, fake_api_server
from tests.control.kube.json_objects import Json, endpoint_slice, service
from tests.control.xds_client import XdsClient, addresses, until

PAYMENTS = "payments.prod:8080"
SERVE = [sys.executable, "-m", "trimtab.cli", "serve"]


def kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "current-context": "fake",
                "clusters": [{"name": "fake", "cluster": {"server": url}}],
                "contexts": [{"name": "fake", "context": {"cluster": "fake"}}],
            }
        )
    )
    return path


@contextlib.asynccontextmanager
async def serving_cluster(config: Path, *more: str) -> AsyncIterator[Serving]:
    async with started(*SERVE, "--kubeconfig", str(config), *more) as running:
        yield running


@contextlib.asynccontextmanager
async def started(*command: str) -> AsyncIterator[Serving]:
    command = (*command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    # The API server runs in this event loop, hence the threads.
    with await asyncio.to_thread(subprocess.Popen, command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield await asyncio.to_thread(Serving, process)
        finally:
            process.kill()


async def check(running: Serving, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(get, running, path)


async def test_a_cluster_is_served_and_losing_its_api_server_changes_nothing(tmp_path: Path) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        config = kubeconfig(tmp_path, api.url)
        async with serving_cluster(config) as running:
            assert running.started["cluster"] == "fake"
            async with XdsClient(running.xds, PAYMENTS) as client:
                assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.1"]}
                api.put(endpoint_slice("10.0.0.2"))
                assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.2"]}
                await api.stop()
                await asyncio.to_thread(running.event, "not heard, what is known stays")
                assert await check(running, "/readyz") == (200, "ok\n")
                assert "trimtab_kubernetes_connected 0.0" in (await check(running, "/metrics"))[1]
                async with XdsClient(running.xds, PAYMENTS) as newcomer:
                    assert addresses(await newcomer.response()) == {PAYMENTS: ["10.0.0.2"]}


async def test_outside_of_a_pod_the_cluster_of_the_environment_is_served(tmp_path: Path) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        config = kubeconfig(tmp_path, api.url)
        environment = ("env", "-u", "KUBERNETES_SERVICE_HOST", f"KUBECONFIG={config}")
        async with started(*environment, *SERVE) as running, XdsClient(running.xds, PAYMENTS) as client:
            assert running.started["cluster"] == "fake"
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.1"]}


async def test_it_starts_from_saved_state_while_the_api_server_is_away(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        config, port = kubeconfig(tmp_path, api.url), api.port
        async with serving_cluster(config, *state) as running:
            assert await asyncio.to_thread(running.stop) == 0
    async with serving_cluster(config, *state) as running:
        assert await check(running, "/readyz") == (200, "ok\n")
        assert "trimtab_kubernetes_stale 1.0" in (await check(running, "/metrics"))[1]
        async with XdsClient(running.xds, PAYMENTS) as client:
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.1"]}
            back = FakeApiServer(api.store)
            back.put(endpoint_slice("10.0.0.7"))
            await back.start(port)
            try:
                assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.7"]}
                await asyncio.to_thread(running.event, "saved state is replaced by what the API server says")
            finally:
                await back.stop()


async def test_a_wrong_policy_keeps_the_last_good_one_and_shows_where_people_look(tmp_path: Path) -> None:
    def annotated(policy: str) -> Json:
        item = service()
        item["metadata"]["annotations"] = {"trimtab.dev/policy": policy}
        return item

    async with fake_api_server(annotated("max_connections: 7"), endpoint_slice("10.0.0.1")) as api:
        config = kubeconfig(tmp_path, api.url)
        async with serving_cluster(config) as running:
            api.put(annotated("max_connection: 8"))
            await asyncio.to_thread(running.event, "policy refused, the last good one stays")
            await until(lambda: bool(api.store.objects["events"]))
            (event,) = api.store.objects["events"].values()
            mistake = "policy.max_connection: there is no such field; did you mean max_connections?"
            assert mistake in event["message"]
            shown = await run("status", "--admin", running.admin)
            assert mistake in " ".join(shown.stdout.split())
            assert "trimtab_rejected_policies 1.0" in (await check(running, "/metrics"))[1]
            (report,) = json.loads((await check(running, "/debug/services"))[1])
            assert report["policy"] == {"max_connections": 7}


async def test_how_long_how_much_is_held_can_be_set(tmp_path: Path) -> None:
    """Also a single service, and for an hour."""
    tuned = ("--withdrawal-services", "1", "--withdrawal-hold", "3600")
    async with (
        fake_api_server(service(), endpoint_slice("10.0.0.1", "10.0.0.2")) as api,
        serving_cluster(kubeconfig(tmp_path, api.url), *tuned) as running,
    ):
        api.put(endpoint_slice())
        while "trimtab_held_endpoints 2.0" not in (await check(running, "/metrics"))[1]:
            pass
        async with XdsClient(running.xds, PAYMENTS) as client:
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.1", "10.0.0.2"]}


async def test_what_is_missing_is_said_until_it_is_ready(tmp_path: Path) -> None:
    """Two sources, none, one that is wrong, options that say nothing, and numbers that are none."""
    manifests, cluster = (
        ("--manifests", str(tmp_path)),
        ("--kubeconfig", str(kubeconfig(tmp_path, "http://127.0.0.1:1"))),
    )
    state = ("--state-dir", str(tmp_path / "state"))
    outside = ("env", "-u", "KUBERNETES_SERVICE_HOST", "-u", "KUBECONFIG")
    for arguments, expected in (
        (["--manifests", str(tmp_path), "--kubeconfig", "x"], "--manifests and --kubeconfig exclude each other"),
        (
            [*manifests, *state],
            "--state-dir exclude each other: it keeps what an API server said, and manifests are on disk already; leave it out",
        ),
        ([*manifests, "--watch-pods"], "Pods in the folder are read anyway; leave it out"),
        (
            [*manifests, "--namespace", "prod"],
            "it is for a cluster, and a folder of manifests is served as it is; leave it out",
        ),
        ([], "this is not a Pod in a cluster"),
        (["--kubeconfig", str(tmp_path / "nowhere")], "nowhere"),
        ([*manifests, "--withdrawal-share", "0"], "--manifests and --withdrawal-share exclude each other"),
        ([*manifests, "--withdrawal-services", "0"], "--manifests and --withdrawal-services exclude each other"),
        ([*manifests, "--withdrawal-hold", "0"], "--manifests and --withdrawal-hold exclude each other"),
        ([*manifests, "--state-max-age", "3600"], "--manifests and --state-max-age exclude each other"),
        ([*cluster, "--state-max-age", "60"], "--state-max-age says how old the state in --state-dir may be"),
        ([*cluster, *state, "--state-max-age", "-1"], "--state-max-age: expected a number of seconds above 0, got -1"),
        (
            [*cluster, *state, "--state-max-age", "nan"],
            "--state-max-age: expected a number of seconds above 0, got nan",
        ),
        ([*cluster, "--withdrawal-share", "1.5"], "--withdrawal-share: expected a number above 0 and up to 1, got 1.5"),
        ([*cluster, "--withdrawal-services", "0"], "--withdrawal-services: expected a number of 1 or more, got 0"),
        ([*cluster, "--withdrawal-hold", "-1"], "--withdrawal-hold: expected a number of seconds, 0 or more, got -1.0"),
        ([*cluster, "--census-warm-up", "nan"], "--census-warm-up: expected a number of seconds, 0 or more, got nan"),
        ([*cluster, "--census-warm-up", "-5"], "--census-warm-up: expected a number of seconds, 0 or more, got -5"),
    ):
        ended = await asyncio.to_thread(failing, *outside, *SERVE, *arguments)
        assert ended.returncode == 2
        assert expected in ended.stderr
        assert ended.stderr.count("\n") == 1
