"""`trimtab endpoints` against a running control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.cli.serving import Serving, serving
from tests.control.test_manifests import SERVICE, SLICE

NOT_READY = SLICE.replace("payments-1", "payments-2").replace("[10.0.0.1]", "[10.0.0.2], conditions: {ready: false}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder: Path = tmp_path_factory.mktemp("manifests")
    (folder / "cluster.yaml").write_text(f"{SERVICE}---{SLICE}---{NOT_READY}")
    with serving(folder) as control_plane:
        yield control_plane


async def test_what_is_told_and_what_is_left_out_is_shown_with_reasons(running: Serving) -> None:
    ended = await run("endpoints", "payments.prod", "--from-zone", "a", "--admin", running.admin)
    assert ended.code == 0, ended.stderr
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert lines[0] == "payments.prod:8080, also known as payments.prod, payments.prod:grpc"
    assert any(line.startswith("0 100% - 1 100.0% 10.0.0.1:9090 healthy") and "payments-1" in line for line in lines)
    assert "10.0.0.2:9090 - payments-2 not ready" in lines
    assert any(line.startswith("weights follow capacity") for line in lines)


async def test_programs_get_the_same_as_json(running: Serving) -> None:
    ended = await run("endpoints", "payments:grpc", "--namespace", "prod", "--admin", running.admin, "--json")
    report = ended.json
    assert report["service"] == "payments.prod:8080"
    assert [group["endpoints"][0]["slice"] for group in report["localities"]] == ["payments-1"]
    assert [item["why"] for item in report["left_out"]] == ["not ready"]


async def test_without_a_service_it_lists_all(running: Serving) -> None:
    (only,) = (await run("endpoints", "--admin", running.admin, "--json")).json
    assert (only["service"], only["healthy"]) == ("payments.prod:8080", 1)
    assert "payments.prod:8080" in (await run("endpoints", "--admin", running.admin)).stdout


async def test_a_service_that_is_not_there_is_a_failure_with_a_hint(running: Serving) -> None:
    ended = await run("endpoints", "payments.shop", "--admin", running.admin)
    assert ended.code == 1
    assert ended.stderr == ("trimtab endpoints: there is no service in namespace shop; services are known in: prod\n")


async def test_a_name_that_is_none_is_a_wrong_call(running: Serving) -> None:
    ended = await run("endpoints", "http://payments", "--admin", running.admin)
    assert ended.code == 2
    assert "write xds:///payments" in ended.stderr


async def test_no_name_at_all_is_a_wrong_call(running: Serving) -> None:
    ended = await run("endpoints", "", "--admin", running.admin)
    assert ended.code == 2
    assert ended.stderr.startswith("trimtab endpoints: say which service, such as payments.prod:8080; ")


async def test_an_external_name_is_for_dns_and_nothing_is_wrong_with_that(tmp_path: Path) -> None:
    external = SERVICE.replace("spec: {", "spec: {type: ExternalName, externalName: example.org, ")
    (tmp_path / "cluster.yaml").write_text(external)
    with serving(tmp_path) as control_plane:
        ended = await run("endpoints", "payments.prod", "--admin", control_plane.admin)
    assert "each of them goes to what DNS says of example.org:8080, but for Trimtab's library" in ended.stdout
    assert "endpoints:" not in ended.stdout
    assert "0 of 0" not in ended.stdout
    assert "EndpointSlice" not in ended.stdout


async def test_a_slice_that_could_not_be_used_may_be_why_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(SERVICE)
    with serving(tmp_path) as control_plane:
        (tmp_path / "cluster.yaml").write_text(f"{SERVICE}---{SLICE.replace('IPv4', 'IPv5')}")
        control_plane.event("manifest problem, the last good state stays")
        ended = await run("endpoints", "payments.prod", "--admin", control_plane.admin)
    said = " ".join(ended.stdout.split())
    assert "no endpoints: every call fails" in said
    assert "there is no EndpointSlice for this service unless one could not be used" in said
    assert "cluster.yaml: document 2 (EndpointSlice prod/payments-1): addressType" in said


async def test_nothing_that_a_cluster_calls_something_drives_the_terminal(tmp_path: Path) -> None:
    named = r'{addresses: [10.0.0.1], zone: "z\e[31m", nodeName: "n\e[31m", targetRef: {kind: Pod, name: "p\e[31m", uid: "u"}}'
    policy = r"""annotations: {trimtab.dev/policy: 'strategy: "s\e[31m"'}"""
    annotated = SERVICE.replace("namespace: prod", f"namespace: prod, {policy}")
    (tmp_path / "cluster.yaml").write_text(f"{annotated}---{SLICE.replace('{addresses: [10.0.0.1]}', named)}")
    with serving(tmp_path) as control_plane:
        for service in (("payments.prod",), ()):
            ended = await run("endpoints", *service, "--admin", control_plane.admin)
            assert "z\N{REPLACEMENT CHARACTER}[31m" in ended.stdout
            assert "\x1b" not in ended.stdout
