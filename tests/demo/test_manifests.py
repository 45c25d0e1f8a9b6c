from pathlib import Path
from typing import Any

import yaml

from trimtab.demo.manifests import manifests, write_manifests
from trimtab.demo.pod import Pod
from trimtab.model import Policy

IN_A_CLUSTER = [Pod(f"shop-{i}", f"127.0.0.{i}", 40000, f"zone-{'ab'[i % 2]}") for i in (2, 3, 4)]
ON_ONE_ADDRESS = [Pod(f"shop-{i}", "127.0.0.1", 40000 + i, "zone-a") for i in (2, 3)]


def documents(pods: list[Pod], kind: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(manifests(pods)) if document["kind"] == kind]


def test_pods_of_one_port_share_a_slice_and_keep_their_zones() -> None:
    [endpoint_slice] = documents(IN_A_CLUSTER, "EndpointSlice")
    assert endpoint_slice["metadata"]["labels"]["kubernetes.io/service-name"] == "shop"
    assert endpoint_slice["ports"][0]["port"] == 40000
    endpoints = [(endpoint["addresses"], endpoint["zone"]) for endpoint in endpoint_slice["endpoints"]]
    assert endpoints == [(["127.0.0.2"], "zone-a"), (["127.0.0.3"], "zone-b"), (["127.0.0.4"], "zone-a")]


def test_pods_of_different_ports_get_slices_of_their_own() -> None:
    slices = documents(ON_ONE_ADDRESS, "EndpointSlice")
    assert [s["ports"][0]["port"] for s in slices] == [40002, 40003]
    assert len({s["metadata"]["name"] for s in slices}) == 2


def test_the_service_port_and_the_slices_ports_meet_by_name() -> None:
    [service] = documents(IN_A_CLUSTER, "Service")
    [endpoint_slice] = documents(IN_A_CLUSTER, "EndpointSlice")
    assert service["spec"]["ports"][0]["name"] == endpoint_slice["ports"][0]["name"]
    assert service["spec"]["ports"][0]["port"] == 50051


def test_every_endpoint_is_on_a_node_that_exists() -> None:
    nodes = {node["metadata"]["name"] for node in documents(IN_A_CLUSTER, "Node")}
    [endpoint_slice] = documents(IN_A_CLUSTER, "EndpointSlice")
    assert {endpoint["nodeName"] for endpoint in endpoint_slice["endpoints"]} <= nodes


def test_a_change_leaves_one_manifest_and_no_draft(tmp_path: Path) -> None:
    write_manifests(tmp_path, IN_A_CLUSTER[:1])
    write_manifests(tmp_path, IN_A_CLUSTER)
    assert [file.name for file in tmp_path.iterdir()] == ["cluster.yaml"]
    assert (tmp_path / "cluster.yaml").read_text() == manifests(IN_A_CLUSTER)


def test_a_pod_that_leaves_terminates_and_still_serves() -> None:
    texts = manifests(IN_A_CLUSTER, leaving=IN_A_CLUSTER[1:2])
    [endpoint_slice] = [d for d in yaml.safe_load_all(texts) if d["kind"] == "EndpointSlice"]
    conditions = [endpoint["conditions"] for endpoint in endpoint_slice["endpoints"]]
    assert [each["ready"] for each in conditions] == [True, False, True]
    assert [each["terminating"] for each in conditions] == [False, True, False]
    assert all(each["serving"] for each in conditions)


def test_the_policy_is_the_services_annotation() -> None:
    texts = manifests(IN_A_CLUSTER, policy={"slow_start_s": 3})
    [service] = [d for d in yaml.safe_load_all(texts) if d["kind"] == "Service"]
    assert (
        Policy.from_mapping(yaml.safe_load(service["metadata"]["annotations"]["trimtab.dev/policy"])).slow_start_s == 3
    )
