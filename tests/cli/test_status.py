"""`trimtab status` against a control plane and clients with real streams."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.running import run
from tests.cli.serving import Serving, serving
from tests.control.test_manifests import SERVICE, SLICE
from tests.control.xds_client import XdsClient, addresses
from tests.ports import HeldPort
from trimtab.control.status import Problems, Status
from trimtab.xds.discovery import DiscoveryRequest

PAYMENTS = "payments.prod:8080"


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SERVICE + "---" + SLICE)
    return tmp_path


@pytest.fixture
def running(manifests: Path) -> Iterator[Serving]:
    with serving(manifests) as control_plane:
        yield control_plane


async def status(running: Serving) -> Any:
    ended = await run("status", "--admin", running.admin, "--json")
    assert ended.code == 0, ended.stderr
    return ended.json


async def until_eds(running: Serving, state: str) -> Any:
    """The only client's state, once it is that one: an ACK takes a moment to arrive."""
    while (client := (await status(running))["clients"][0])["types"]["eds"]["state"] != state:
        pass
    return client


async def test_a_client_is_shown_from_its_first_request_to_the_end_of_its_stream(running: Serving) -> None:
    async with XdsClient(running.xds, PAYMENTS) as client:
        await client.response()
        shown = await until_eds(running, "acked")
        assert (shown["node"], shown["types"]["lds"]) == ("test", {"state": "never asked"})
    while (await status(running))["clients"]:
        pass


async def test_a_refusal_is_shown_in_the_clients_own_words(running: Serving) -> None:
    async with XdsClient(running.xds, PAYMENTS) as client:
        nonce = (await client.response(ack=False)).nonce
        assert (await until_eds(running, "waiting"))["types"]["eds"]["names"] == 1
        await client.ask(nonce, error="I will \x1b[31mnot\nhave it")
        shown = await until_eds(running, "nacked")
        assert shown["types"]["eds"]["error"] == "I will \x1b[31mnot\nhave it"
        ended = await run("status", "--admin", running.admin)
        words = " ".join(ended.stdout.split())
        assert "NACKED" in words
        # Nobody's words drive the operator's terminal.
        assert "\x1b" not in ended.stdout
        assert running.event("a client refused what it was sent")["node"] == "test"


async def test_nothing_that_a_client_calls_something_drives_the_terminal(running: Serving) -> None:
    async with XdsClient(running.xds, PAYMENTS, zone="\x1b[31mz") as client:
        await client.response()
        await client.call.write(DiscoveryRequest("type/\x1b[32m" + "y" * 5000).serialize())
        await client.response()
        table = await run("status", "--admin", running.admin)
        assert "type/" in table.stdout
        assert "\x1b" not in table.stdout
        report = await run("endpoints", PAYMENTS, "--admin", running.admin)
        assert "subscribers by zone: \N{REPLACEMENT CHARACTER}[31mz 1" in report.stdout
        assert max(map(len, (await status(running))["clients"][0]["types"])) == 1000


async def test_who_cannot_be_kept_on_a_node_is_named(manifests: Path) -> None:
    (manifests / "cluster.yaml").write_text(
        SERVICE.replace("spec: {", "spec: {internalTrafficPolicy: Local, ") + "---" + SLICE
    )
    with serving(manifests) as running:
        async with XdsClient(running.xds, PAYMENTS) as client:
            assert addresses(await client.response()) == {PAYMENTS: []}
            problems = (await status(running))["problems"]
            assert problems["unplaced_clients"] == {PAYMENTS: ["test"]}
            words = " ".join((await run("status", "--admin", running.admin)).stdout.split())
            assert f"{PAYMENTS}: it keeps calls on their Node (internalTrafficPolicy: Local)" in words
            assert "they are told of no endpoint: test; give them NODE_NAME or POD_IP" in words


async def test_the_table_says_it_in_words(running: Serving) -> None:
    async with XdsClient(running.xds, PAYMENTS) as client:
        await client.response()
        await until_eds(running, "acked")
        ended = await run("status", "--admin", running.admin)
    assert ended.code == 0
    assert "service ports 1, endpoints 1, clients 1, last change " in ended.stdout
    assert " acked " in ended.stdout
    assert ended.stdout.count("never asked") == 2


async def test_one_may_ask_who_follows_a_service(manifests: Path, running: Serving) -> None:
    (manifests / "orders.yaml").write_text(SERVICE.replace("payments", "orders"))
    async with (
        XdsClient(running.xds, "payments.prod:grpc") as client,
        XdsClient(running.xds, "orders.prod:8080") as other,
    ):
        await client.response()
        await other.response()

        async def shown(service: str) -> list[int]:
            ended = await run("status", "--service", service, "--namespace", "prod", "--admin", running.admin, "--json")
            return [each["types"]["eds"]["names"] for each in ended.json["clients"]]

        assert await shown("payments") == [1]
        assert len((await status(running))["clients"]) == 2
    ended = await run("status", "--service", "carts.prod", "--admin", running.admin)
    assert (ended.code, ended.stderr) == (1, "trimtab status: there is no service carts in namespace prod\n")
    assert (await run("status", "--service", "http://x", "--admin", running.admin)).code == 2


async def test_problems_are_shown(manifests: Path, running: Serving) -> None:
    (manifests / "broken.yaml").write_text("kind: [")
    running.event("manifest problem, there is no last good state")
    (problem,) = (await status(running))["problems"]["source"]
    assert problem.startswith("broken.yaml: not YAML")
    assert "broken.yaml: not YAML" in (await run("status", "--admin", running.admin)).stdout


async def test_it_asks_where_the_environment_says(running: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_ADMIN", running.admin)
    # And never through a proxy.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await run("status", "--json")).json["not_ready"] is None


async def test_a_control_plane_that_is_not_there_is_a_clear_error() -> None:
    with HeldPort() as unused:
        address = unused.address
        ended = await run("status", "--admin", address)
    assert ended.code == 1
    assert ended.stderr.startswith(f"trimtab status: no control plane answers at {address}: Connection refused; ")
    assert (ended.stdout, ended.stderr.count("\n")) == ("", 1)


async def test_the_other_port_of_a_control_plane_is_told_from_the_admin_port(running: Serving) -> None:
    ended = await run("status", "--admin", running.xds)
    assert ended.code == 1
    assert ended.stderr == (
        f"trimtab status: what answers at {running.xds} does not speak HTTP/1; is it the xDS port? --admin wants the admin port\n"
    )


class _Somebody(BaseHTTPRequestHandler):
    """Any other HTTP server; what it answers is for subclasses to say."""

    code, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _NotFound(_Somebody):
    code, body = 404, b"not here"


class _OtherJson(_Somebody):
    body = b'{"clients": "many"}'


class _Gatekeeper(_Somebody):
    body = msgspec.json.encode(
        Status(
            version="1",
            not_ready=None,
            service_ports=2,
            endpoints=7,
            last_change_age_s=1.0,
            problems=Problems(
                refused_assignments={"orders.prod:80": "all 1 endpoints are invalid"},
                repaired_assignments={PAYMENTS: [f"dropped pod-{index}" for index in range(5)]},
            ),
            clients=[],
        )
    )


@contextlib.contextmanager
def answering(handler: type[_Somebody]) -> Iterator[str]:
    """An HTTP server, by its address."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("handler", [_NotFound, _OtherJson])
async def test_something_else_that_answers_is_a_clear_error(handler: type[_Somebody]) -> None:
    with answering(handler) as address:
        ended = await run("status", "--admin", address)
    assert ended.code == 1
    assert ended.stderr.startswith(f"trimtab status: {address} ")
    assert ended.stderr.count("\n") == 1


async def test_what_the_gate_refused_and_repaired_is_shown() -> None:
    with answering(_Gatekeeper) as address:
        said = (await run("status", "--admin", address)).stdout
    assert "orders.prod:80: endpoints refused, the last good ones stay: all 1 endpoints are invalid\n" in said
    repaired = "dropped pod-0; dropped pod-1; dropped pod-2; and 2 more"
    assert f"{PAYMENTS}: endpoints repaired before they were published: {repaired}\n" in said


@pytest.mark.parametrize("arguments", [("--admin", "nowhere"), ("--no-such-option",), ("extra",)])
async def test_a_wrong_call_is_one(arguments: tuple[str, ...]) -> None:
    ended = await run("status", *arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.stderr
