"""`trimtab translate` on files; what it prints is read with the real messages."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from tests.cli.running import Ended, run
from tests.control.test_manifests import SERVICE, SLICE
from tests.xds.envoy_messages import discovery_pb2, endpoint_pb2

PAYMENTS = "payments.prod:8080"
ZONED = SLICE.replace("{addresses: [10.0.0.1]}", "{addresses: [10.0.0.1], zone: a}, {addresses: [10.0.0.2], zone: b}")


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SERVICE + "---" + ZONED)
    (tmp_path / "orders.yaml").write_text(SERVICE.replace("payments", "orders"))
    return tmp_path


def response(ended: Ended, short: str) -> discovery_pb2.DiscoveryResponse:
    return json_format.ParseDict(json.loads(ended.stdout)[short], discovery_pb2.DiscoveryResponse())


def weights(ended: Ended) -> dict[str, int]:
    assignment = endpoint_pb2.ClusterLoadAssignment()
    assert response(ended, "eds").resources[0].Unpack(assignment)
    return {group.locality.zone: group.load_balancing_weight.value for group in assignment.endpoints}


async def test_every_type_is_a_response_that_the_real_messages_read(manifests: Path) -> None:
    ended = await run("translate", "-f", str(manifests))
    assert (ended.code, ended.stderr) == (0, "")
    assert list(json.loads(ended.stdout)) == ["lds", "cds", "eds"]
    for short in ("lds", "cds", "eds"):
        assert len(response(ended, short).resources) == 2


async def test_it_says_the_same_as_a_stream_would(manifests: Path) -> None:
    ended = await run("translate", PAYMENTS, "-f", str(manifests), "--type", "eds")
    assert list(json.loads(ended.stdout)) == ["eds"]
    assert weights(ended) == {"a": 1, "b": 1}


async def test_each_kind_of_client_gets_its_own_cluster(manifests: Path) -> None:
    def policies(ended: Ended) -> str:
        cluster: Any = json.loads(ended.stdout)["cds"]["resources"][0]
        return str(cluster["load_balancing_policy"]["policies"][1]["typed_extension_config"]["name"])

    chosen = ("translate", PAYMENTS, "-f", str(manifests), "--type", "cds")
    assert policies(await run(*chosen)).endswith(".WrrLocality")
    assert policies(await run(*chosen, "--client", "envoy")).endswith(".LeastRequest")


async def test_zones_weigh_by_the_clients_there_would_be(manifests: Path) -> None:
    clients = ("--clients-in", "a=3", "--clients-in", "b=3")
    ended = await run("translate", PAYMENTS, "-f", str(manifests), "--type", "eds", "--zone", "a", *clients)
    assert weights(ended) == {"a": 10_000, "b": 1}


async def test_what_is_piped_in_is_read(manifests: Path) -> None:
    ended = await run("translate", "-f", "/dev/stdin", "--json", stdin=(manifests / "cluster.yaml").read_text())
    assert [resource["name"] for resource in ended.json["lds"]["resources"]] == [PAYMENTS]


async def test_what_cannot_be_used_is_named_and_the_rest_printed(manifests: Path) -> None:
    (manifests / "bad.yaml").write_text(SLICE.replace("IPv4", "IPv5").replace("payments-1", "payments-2"))
    annotated = SERVICE.replace("name: payments,", 'name: carts, annotations: {trimtab.dev/policy: "strategi: p2c"},')
    (manifests / "policy.yaml").write_text(annotated)
    (manifests / "latin1.yaml").write_bytes(b"\xff")
    ended = await run("translate", "-f", str(manifests), "--json")
    assert ended.code == 1
    assert len(ended.json["eds"]["resources"]) == 3
    assert ended.stderr.count("\n") == 3
    for problem in (
        "bad.yaml: document 1 (EndpointSlice prod/payments-2): addressType: expected IPv4, IPv6 or FQDN, got 'IPv5'",
        "latin1.yaml: not UTF-8 at byte 0",
        "service prod/carts: annotation trimtab.dev/policy: policy.strategi: there is no such field; did you mean strategy?",
    ):
        assert f"trimtab translate: {problem}\n" in ended.stderr


async def test_a_strategy_that_may_be_a_mistake_is_no_failure(manifests: Path) -> None:
    text = SERVICE.replace("name: payments,", 'name: payments, annotations: {trimtab.dev/policy: "strategy: nope"},')
    (manifests / "cluster.yaml").write_text(text)
    ended = await run("translate", "-f", str(manifests))
    assert ended.code == 0
    assert ended.stderr.startswith("trimtab translate: note: service prod/payments: policy.strategy 'nope' is not one")


async def test_manifests_may_be_named_as_for_serve(manifests: Path) -> None:
    assert await run("translate", "--manifests", str(manifests)) == await run("translate", "-f", str(manifests))


@pytest.mark.parametrize("with_service", [False, True])
async def test_a_folder_in_the_place_of_a_service_is_a_clear_error(manifests: Path, with_service: bool) -> None:
    ended = await run("translate", str(manifests), *([PAYMENTS] if with_service else []))
    expected = f"trimtab translate: {manifests} is a file or folder, not a service; name it with -f {manifests}\n"
    assert (ended.code, ended.stderr) == (2, expected)


async def test_without_manifests_it_says_how_to_name_them() -> None:
    ended = await run("translate", PAYMENTS)
    assert (ended.code, ended.stderr) == (2, "trimtab translate: name a folder of manifests, or a file, with -f\n")


async def test_a_name_that_nobody_could_ask_for_costs_the_other_services_nothing(manifests: Path) -> None:
    (manifests / "odd.yaml").write_text(SERVICE.replace("name: payments", "name: x/../y"))
    ended = await run("translate", "-f", str(manifests), "--json", "--clients-in", "a=1")
    assert ended.code == 1
    assert len(ended.json["cds"]["resources"]) == 2
    assert ended.stderr == (
        "trimtab translate: odd.yaml: document 1 (Service prod/x/../y): metadata.name: "
        "expected a DNS label (a-z, 0-9 and -, at most 63 characters), got 'x/../y'\n"
    )


async def test_a_service_that_goes_by_dns_has_a_cluster_and_no_endpoints(manifests: Path) -> None:
    spec = "spec: {type: ExternalName, externalName: mail.example, "
    external = SERVICE.replace("payments", "mail").replace("spec: {", spec)
    (manifests / "mail.yaml").write_text(external)
    everything = await run("translate", "-f", str(manifests))
    assert (everything.code, everything.stderr) == (0, "")
    sizes = [len(response(everything, short).resources) for short in ("lds", "cds", "eds")]
    assert sizes == [3, 3, 2]
    alone = await run("translate", "mail.prod", "-f", str(manifests), "--json")
    assert "mail.example" in json.dumps(alone.json["cds"])
    assert alone.json["eds"]["resources"] == []


async def test_a_service_that_is_not_there_is_a_failure(manifests: Path) -> None:
    ended = await run("translate", "payments.shop", "-f", str(manifests))
    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr == "trimtab translate: there is no service in namespace shop; services are known in: prod\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("-f", "/no/such/folder"), "cannot read /no/such/folder: No such file or directory"),
        (("-f", ".", "--clients-in", "a"), "--clients-in: expected ZONE=COUNT such as eu-a=12, got 'a'"),
    ],
)
async def test_a_wrong_call_is_one(more: tuple[str, ...], message: str) -> None:
    ended = await run("translate", *more)
    assert (ended.code, ended.stderr) == (2, f"trimtab translate: {message}\n")


async def test_a_type_that_there_is_not_is_a_wrong_call(manifests: Path) -> None:
    assert (await run("translate", "-f", str(manifests), "--type", "rds")).code == 2
