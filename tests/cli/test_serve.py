"""The command, run as its users run it."""

import asyncio
import json
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.serving import PATIENCE_S, Serving, command, failing, serving
from tests.control.test_manifests import SERVICE, SLICE
from tests.control.xds_client import XdsClient, addresses

PAYMENTS = "payments.prod:8080"


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SERVICE + "---" + SLICE)
    return tmp_path


def get(running: Serving, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{running.admin}{path}", timeout=PATIENCE_S) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_endpoints_are_served_and_a_changed_file_is_pushed(manifests: Path) -> None:
    with serving(manifests) as running:
        async with XdsClient(running.xds, PAYMENTS) as client:
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.1"]}
            (manifests / "cluster.yaml").write_text(SERVICE + "---" + SLICE.replace("10.0.0.1", "10.0.0.2"))
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.2"]}


async def test_what_changes_is_logged_in_a_line(manifests: Path) -> None:
    with serving(manifests) as running:
        assert (running.started["service_ports"], running.started["endpoints"]) == (1, 1)
        (manifests / "cluster.yaml").write_text(SERVICE)
        changed = running.event("endpoints changed")
        assert (changed["service"], changed["before"], changed["after"]) == (PAYMENTS, 1, 0)
        (manifests / "cluster.yaml").write_text("# nothing\n")
        assert running.event("service gone")["service"] == PAYMENTS


async def test_a_broken_file_takes_nothing_down_and_is_named(manifests: Path) -> None:
    with serving(manifests) as running:
        async with XdsClient(running.xds, PAYMENTS) as client:
            await client.response()
            (manifests / "cluster.yaml").write_text(SERVICE + "---" + SLICE.replace("IPv4", "IPv5"))
            problem = running.event("manifest problem, the last good state stays")["problem"]
            assert problem == (
                "cluster.yaml: document 2 (EndpointSlice prod/payments-1): addressType: "
                "expected IPv4, IPv6 or FQDN, got 'IPv5'"
            )
            assert "trimtab_manifest_problems 1.0" in get(running, "/metrics")[1]
            async with XdsClient(running.xds, PAYMENTS) as newcomer:
                assert addresses(await newcomer.response()) == {PAYMENTS: ["10.0.0.1"]}
            (manifests / "cluster.yaml").write_text(SERVICE + "---" + SLICE.replace("10.0.0.1", "10.0.0.2"))
            assert addresses(await client.response()) == {PAYMENTS: ["10.0.0.2"]}
            running.event("manifest problem resolved")


async def test_who_starts_with_a_broken_file_denies_nothing_and_says_why(manifests: Path) -> None:
    whole = (manifests / "cluster.yaml").read_text()
    (manifests / "cluster.yaml").write_text("apiVersion: v1\nkind: List\nitems:\n")
    with serving(manifests, "--log-level", "debug", begun="listening, not serving yet") as running:
        why = running.event("not ready, nobody is answered yet")["why"]
        assert ": cluster.yaml: document 1 (List): items: expected a list, got nothing" in why
        assert get(running, "/readyz") == (503, f"{why}\n")
        assert "trimtab_manifest_problems 1.0" in get(running, "/metrics")[1]
        async with XdsClient(running.xds, PAYMENTS) as client:
            answer = asyncio.ensure_future(client.response())
            assert get(running, "/readyz")[0] == 503
            (manifests / "cluster.yaml").write_text(whole)
            assert addresses(await answer) == {PAYMENTS: ["10.0.0.1"]}
        assert get(running, "/readyz") == (200, "ok\n")


def test_a_wrong_policy_is_named(manifests: Path) -> None:
    annotated = SERVICE.replace(
        "name: payments,", 'name: payments, annotations: {trimtab.dev/policy: "strategi: p2c"},'
    )
    (manifests / "cluster.yaml").write_text(annotated)
    with serving(manifests) as running:
        problem = running.event("policy refused, the last good one stays")["problem"]
        assert problem.endswith("policy.strategi: there is no such field; did you mean strategy?")


def test_a_strategy_that_may_be_a_mistake_is_noted(manifests: Path) -> None:
    annotated = SERVICE.replace(
        "name: payments,", 'name: payments, annotations: {trimtab.dev/policy: "strategy: p2x"},'
    )
    (manifests / "cluster.yaml").write_text(annotated)
    with serving(manifests) as running:
        note = running.event("policy may not be what was meant")["note"]
        assert "policy.strategy 'p2x' is not one of ours, did you mean p2c?" in note
        assert json.loads(get(running, "/debug/status")[1])["problems"]["source"] == [note]


def test_health_readiness_and_metrics_are_there(manifests: Path) -> None:
    with serving(manifests) as running:
        assert get(running, "/healthz") == (200, "ok\n")
        assert get(running, "/readyz") == (200, "ok\n")
        status, text = get(running, "/metrics")
        assert status == 200
        assert "trimtab_service_ports 1.0" in text
        assert "trimtab_endpoints 1.0" in text


async def test_a_client_hears_of_a_service_that_is_not_there(manifests: Path) -> None:
    with serving(manifests) as running:
        async with XdsClient(running.xds, "paymets.prod:8080") as client:
            (error,) = (await client.response()).resource_errors
            assert error.error_detail.message == "there is no service paymets in namespace prod"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_drains_and_ends_with_success(manifests: Path, number: signal.Signals) -> None:
    with serving(manifests) as running:
        running.process.send_signal(number)
        running.event("draining")
        running.event("stopped")
        assert running.process.wait(PATIENCE_S) == 0


async def test_open_streams_do_not_hold_up_the_end(manifests: Path) -> None:
    with serving(manifests) as running:
        async with XdsClient(running.xds, PAYMENTS) as client:
            await client.response()
            assert running.stop() == 0


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    ended = failing(*command(tmp_path / "nowhere"))
    assert ended.returncode == 2
    assert ended.stderr.startswith("trimtab serve: --manifests: there is no folder ")
    assert ended.stderr.count("\n") == 1


def test_a_file_in_the_place_of_its_folder_is_a_clear_error(manifests: Path) -> None:
    ended = failing(*command(manifests / "cluster.yaml"))
    assert ended.returncode == 2
    assert ended.stderr.endswith("cluster.yaml is a file; name the folder that holds it\n")


def test_help_says_what_each_command_does() -> None:
    listed = failing(sys.executable, "-m", "trimtab.cli", "--help")
    assert listed.returncode == 0
    assert re.search(r"serve\s+Serve a cluster's endpoints", listed.stdout)
    assert re.search(r"simulate\s+Play a scenario", listed.stdout)


@pytest.mark.parametrize("address", ["18000", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "::1:18000"])
def test_an_address_that_is_none_is_a_clear_error(manifests: Path, address: str) -> None:
    ended = failing(*command(manifests, listen=address))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"trimtab serve: --listen: expected HOST:PORT such as 127.0.0.1:18000 or [::1]:18000, got {address!r}\n"
    )


@pytest.mark.parametrize("option", ["listen", "admin"])
def test_a_port_that_is_taken_is_a_clear_error(manifests: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = failing(*command(manifests, **{option: address}))
    assert ended.returncode == 1
    assert f"trimtab serve: cannot listen on {address}" in ended.stderr
    assert f"--{option}" in ended.stderr
    assert ended.stderr.count("\n") == 1, "gRPC has words of its own for it"


def test_a_mistyped_option_is_a_mistake_in_the_call(manifests: Path) -> None:
    ended = failing(*command(manifests, "--manifest", "x"))
    assert ended.returncode == 2
