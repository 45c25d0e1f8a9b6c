import json
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.control.kubernetes import Service
from trimtab.control.manifests import parse

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: prod}
spec: {ports: [{name: grpc, port: 8080}]}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: payments-1, namespace: prod, labels: {kubernetes.io/service-name: payments}}
addressType: IPv4
ports: [{name: grpc, port: 9090}]
endpoints: [{addresses: [10.0.0.1]}]
"""
NO_KIND = "kind: is missing: say what this is, such as Service; if the file was cut off, write it again"
KUBECTL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "List",
    "metadata": {"resourceVersion": ""},
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "payments",
                "namespace": "prod",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "resourceVersion": "123",
                "uid": "0b7c",
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": {
                "clusterIP": "10.96.0.7",
                "clusterIPs": ["10.96.0.7"],
                "ipFamilies": ["IPv4"],
                "ports": [{"name": "grpc", "port": 8080, "protocol": "TCP", "targetPort": "grpc", "nodePort": 30001}],
                "selector": {"app": "payments"},
                "type": "NodePort",
            },
            "status": {"loadBalancer": {}},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "endpoints": [
                {
                    "addresses": ["10.0.0.1"],
                    "conditions": {"ready": True, "serving": True, "terminating": False},
                    "nodeName": "n1",
                    "targetRef": {"kind": "Pod", "name": "payments-a", "namespace": "prod", "uid": "u1"},
                    "zone": "eu-a",
                    "hints": {"forZones": [{"name": "eu-a"}]},
                },
                {"addresses": ["10.0.0.2"], "conditions": None, "targetRef": None},
            ],
            "metadata": {
                "name": "payments-x7k2p",
                "namespace": "prod",
                "generateName": "payments-",
                "labels": {"kubernetes.io/service-name": "payments"},
                "ownerReferences": [{"kind": "Service", "name": "payments", "uid": "0b7c"}],
            },
            "ports": [{"name": "grpc", "port": 9090, "protocol": "TCP"}],
        },
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n1", "labels": {"topology.kubernetes.io/region": "eu"}},
            "spec": {"podCIDR": "10.0.0.0/24"},
        },
    ],
}


def keys(text: str) -> list[tuple[str, str, str]]:
    parsed = parse("a.yaml", text)
    assert parsed.problems == ()
    return [item.key for item in parsed.objects]


def problem(text: str) -> str:
    parsed = parse("a.yaml", dedent(text))
    (only,) = parsed.problems
    return str(only)


def test_a_file_may_hold_several_documents() -> None:
    assert keys(f"{SERVICE}---{SLICE}---\n") == [
        ("Service", "prod", "payments"),
        ("EndpointSlice", "prod", "payments-1"),
    ]


def test_what_kubectl_get_prints_is_a_manifest() -> None:
    expected = [
        ("Service", "prod", "payments"),
        ("EndpointSlice", "prod", "payments-x7k2p"),
        ("Node", "", "n1"),
    ]
    assert keys(json.dumps(KUBECTL)) == expected


def test_other_kinds_are_ignored() -> None:
    assert keys("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: payments}\n---" + SERVICE) == [
        ("Service", "prod", "payments")
    ]


def test_a_kind_of_the_same_name_in_another_group_is_another_kind() -> None:
    assert keys(SERVICE.replace("apiVersion: v1", "apiVersion: serving.knative.dev/v1")) == []


def test_an_fqdn_slice_is_valid_but_noted() -> None:
    text = SLICE.replace("addressType: IPv4", "addressType: FQDN").replace("10.0.0.1", "pod.example.com")
    parsed = parse("a.yaml", text)
    assert (len(parsed.objects), parsed.problems) == (1, ())
    assert str(parsed.notes[0]) == (
        "a.yaml: document 1 (EndpointSlice prod/payments-1): addressType: "
        "FQDN slices are passed over: only IP addresses can be balanced"
    )


def test_timestamps_and_other_yaml_niceties_do_no_harm() -> None:
    text = SERVICE.replace("namespace: prod", "namespace: prod, creationTimestamp: 2026-01-01T00:00:00Z")
    assert keys(text) == [("Service", "prod", "payments")]


def test_an_object_without_namespace_is_in_default() -> None:
    assert keys(SERVICE.replace(", namespace: prod", "")) == [("Service", "default", "payments")]


@pytest.mark.parametrize("text", ["# nothing here\n", "---\n", "apiVersion: v1\nkind: List\nitems: []\n"])
def test_a_file_may_say_that_there_is_nothing(text: str) -> None:
    parsed = parse("a.yaml", text)
    assert (parsed.objects, parsed.problems, parsed.unreadable) == ((), (), False)


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_an_empty_file_says_nothing(text: str) -> None:
    parsed = parse("a.yaml", text)
    assert parsed.unreadable
    assert str(parsed.problems[0]) == (
        "a.yaml: the file is empty, as if half written; to say that there is nothing, write a comment"
    )


def test_what_is_no_yaml_is_named_with_line_and_column() -> None:
    parsed = parse("a.yaml", "kind: Service\nmetadata: {name: payments\nspec: 1\n")
    assert parsed.unreadable
    assert str(parsed.problems[0]).startswith("a.yaml: not YAML at line 3, column 5: ")


def test_the_good_documents_of_a_file_with_a_bad_one_are_used() -> None:
    parsed = parse("a.yaml", SERVICE.replace("8080", "99999") + "---" + SLICE)
    assert [item.key for item in parsed.objects] == [("EndpointSlice", "prod", "payments-1")]
    assert len(parsed.problems) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SERVICE.replace("8080", "99999"),
            "a.yaml: document 1 (Service prod/payments): spec.ports[0].port: expected int <= 65535, got 99999",
        ),
        (
            SERVICE.replace("8080", "0"),
            "a.yaml: document 1 (Service prod/payments): spec.ports[0].port: expected int >= 1, got 0",
        ),
        (
            SERVICE.replace("8080", "http"),
            "a.yaml: document 1 (Service prod/payments): spec.ports[0].port: expected int, got str",
        ),
        (
            SERVICE.replace("{name: payments, namespace: prod}", "{namespace: prod}"),
            "a.yaml: document 1 (Service prod): metadata.name: is missing; add it",
        ),
        (
            SERVICE.replace("apiVersion: v1", "apiVersion: v2"),
            "a.yaml: document 1 (Service prod/payments): apiVersion: expected v1, got 'v2'",
        ),
        (
            SLICE.replace("io/v1", "io/v1beta1"),
            (
                "a.yaml: document 1 (EndpointSlice prod/payments-1): apiVersion: "
                "expected discovery.k8s.io/v1, got 'discovery.k8s.io/v1beta1'"
            ),
        ),
        (
            SLICE.replace(", labels: {kubernetes.io/service-name: payments}", ""),
            (
                "a.yaml: document 1 (EndpointSlice prod/payments-1): metadata.labels[kubernetes.io/service-name]: "
                "is missing: name the Service whose endpoints these are"
            ),
        ),
        (
            SLICE.replace("service-name: payments}", "service-name: 7}"),
            "a.yaml: document 1 (EndpointSlice prod/payments-1): metadata.labels[...]: expected str, got int",
        ),
        (
            SLICE.replace("addressType: IPv4", "addressType: IPv5"),
            "a.yaml: document 1 (EndpointSlice prod/payments-1): addressType: expected IPv4, IPv6 or FQDN, got 'IPv5'",
        ),
        (
            SLICE.replace("addressType: IPv4", "addressType: IPv6"),
            (
                "a.yaml: document 1 (EndpointSlice prod/payments-1): endpoints[0].addresses[0]: "
                "'10.0.0.1' is not an IPv6 address"
            ),
        ),
        (
            SLICE.replace("addressType: IPv4", "addressType: IPv6").replace("10.0.0.1", "'fe80::1%eth0'"),
            (
                "a.yaml: document 1 (EndpointSlice prod/payments-1): endpoints[0].addresses[0]: "
                "'fe80::1%eth0' is not an IPv6 address"
            ),
        ),
        (
            SERVICE.replace("namespace: prod", "namespace: ''"),
            "a.yaml: document 1 (Service payments): metadata.namespace: expected str of length >= 1, got ''",
        ),
        (
            "{a: &b {kind: Service}\0",
            "a.yaml: not YAML: control characters are not allowed",
        ),
        (
            SLICE.replace("[10.0.0.1]", "[]"),
            "a.yaml: document 1 (EndpointSlice prod/payments-1): endpoints[0].addresses: expected array of length >= 1",
        ),
        (
            SLICE.replace("port: 9090", "port: 70000"),
            "a.yaml: document 1 (EndpointSlice prod/payments-1): ports[0].port: expected int <= 65535, got 70000",
        ),
        (
            SERVICE.replace("name: payments", "name: x/../y"),
            (
                "a.yaml: document 1 (Service prod/x/../y): metadata.name: "
                "expected a DNS label (a-z, 0-9 and -, at most 63 characters), got 'x/../y'"
            ),
        ),
        (
            SERVICE.replace("namespace: prod", "namespace: b/ad"),
            (
                "a.yaml: document 1 (Service b/ad/payments): metadata.namespace: "
                "expected a DNS label (a-z, 0-9 and -, at most 63 characters), got 'b/ad'"
            ),
        ),
        (
            SERVICE.replace("name: grpc", "name: g_rpc"),
            (
                "a.yaml: document 1 (Service prod/payments): spec.ports[0].name: "
                "expected a DNS label (a-z, 0-9 and -, at most 63 characters), got 'g_rpc'"
            ),
        ),
        (
            SLICE.replace("ports: [{name: grpc", "ports: [{name: Grpc"),
            (
                "a.yaml: document 1 (EndpointSlice prod/payments-1): ports[0].name: "
                "expected a DNS label (a-z, 0-9 and -, at most 63 characters), got 'Grpc'"
            ),
        ),
        (
            SLICE.replace("payments-1", "payments..1"),
            (
                "a.yaml: document 1 (EndpointSlice prod/payments..1): metadata.name: "
                "expected a DNS name (a-z, 0-9, - and ., at most 253 characters), got 'payments..1'"
            ),
        ),
        (
            "just text",
            "a.yaml: document 1: expected a Kubernetes object with apiVersion, kind and metadata, got 'just text'",
        ),
        (
            "[a]",
            "a.yaml: document 1: expected a Kubernetes object with apiVersion, kind and metadata, got a list",
        ),
        ("a: 1", f"a.yaml: document 1: {NO_KIND}"),
        ("metadata: {name: payments}", f"a.yaml: document 1 (payments): {NO_KIND}"),
        (f"apiVersion: v1\nitems:\n- {json.dumps(KUBECTL['items'][0])}", f"a.yaml: document 1: {NO_KIND}"),
        (
            SERVICE.replace("apiVersion: v1", ""),
            "a.yaml: document 1 (Service prod/payments): apiVersion: expected v1, got nothing",
        ),
        (
            SERVICE.replace("kind: Service", "kind: service"),
            "a.yaml: document 1 (service prod/payments): kind: expected Service, got 'service'",
        ),
        ("apiVersion: v1\nkind: Lis", "a.yaml: document 1 (Lis): kind: expected List, got 'Lis'"),
        (
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: []}]",
            "a.yaml: document 1 items[0] (List): kind: a List in a list is not opened; put its items beside it",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n-\n",
            (
                "a.yaml: document 1 items[0]: expected a Kubernetes object with apiVersion, kind and metadata, got nothing"
            ),
        ),
        (
            SERVICE + "---" + SLICE + "---" + SERVICE.replace("8080", "8081"),
            (
                "a.yaml: document 3 (Service prod/payments): "
                "is also document 1 of this file, which is used; remove one of the two"
            ),
        ),
        (
            SERVICE + "spec: {ports: [{name: grpc, port: 8081}]}",
            "a.yaml: not YAML at line 6, column 1: the key 'spec' is there twice",
        ),
    ],
)
def test_a_mistake_is_named_with_file_document_and_field(text: str, message: str) -> None:
    assert problem(text) == message


@pytest.mark.parametrize("name", ["7up", "a" * 63, "a--b"])
def test_a_service_may_have_any_name_that_is_a_dns_label(name: str) -> None:
    assert keys(SERVICE.replace("name: payments", f"name: {name}")) == [("Service", "prod", name)]


@pytest.mark.parametrize("name", ["we ird", "a" * 64, "-a", "a-", "a.b", "Payments", "'a\\n'", "ä"])
def test_a_service_may_have_no_other_name(name: str) -> None:
    assert ": metadata.name: expected a DNS label" in problem(SERVICE.replace("name: payments", f"name: {name}"))


@pytest.mark.parametrize("name", ["payments.v1-x7k2p", "a." * 126 + "b"])
def test_the_name_of_a_slice_may_have_dots(name: str) -> None:
    assert keys(SLICE.replace("name: payments-1", f"name: {name}")) == [("EndpointSlice", "prod", name)]


def test_the_only_port_needs_no_name() -> None:
    assert keys(SERVICE.replace("name: grpc", "name: ''")) == [("Service", "prod", "payments")]


def test_of_an_object_twice_in_one_file_the_first_counts_as_with_two_files() -> None:
    parsed = parse("a.yaml", SERVICE + "---" + SERVICE.replace("8080", "8081"))
    (payments,) = parsed.objects
    assert isinstance(payments, Service)
    assert [port.port for port in payments.spec.ports or ()] == [8080]


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("v1", "List"), ("v1", "ServiceList"), ("discovery.k8s.io/v1", "EndpointSliceList"), ("v1", "NodeList")],
)
@pytest.mark.parametrize(
    ("items", "got"),
    [
        ("", "nothing, as if half written"),
        ("items:\n", "nothing, as if half written"),
        ("items: {a: 1}\n", "a mapping"),
        ("items: none\n", "'none'"),
    ],
)
def test_a_list_without_items_says_nothing_about_what_there_is(
    api_version: str, kind: str, items: str, got: str
) -> None:
    assert problem(f"apiVersion: {api_version}\nkind: {kind}\n{items}") == (
        f"a.yaml: document 1 ({kind}): items: expected a list, got {got}; to say that there is nothing, write `items: []`"
    )


@pytest.mark.parametrize("api_version", ["serving.knative.dev/v1", "net.example.com/v1"])
@pytest.mark.parametrize("kind", ["ServiceList", "AllowList"])
def test_a_list_of_another_group_is_ignored(api_version: str, kind: str) -> None:
    assert keys(f"apiVersion: {api_version}\nkind: {kind}\nitems:\n") == []


def test_what_the_api_server_lists_says_its_kind_once() -> None:
    items = [{key: item[key] for key in item if key not in ("apiVersion", "kind")} for item in KUBECTL["items"][:1]]
    assert keys(json.dumps({"apiVersion": "v1", "kind": "ServiceList", "items": items})) == [
        ("Service", "prod", "payments")
    ]


def test_a_mistake_in_a_list_is_named_with_its_item() -> None:
    wrong = json.loads(json.dumps(KUBECTL))
    wrong["items"][1]["addressType"] = "IPv5"
    (found,) = parse("cluster.yaml", json.dumps(wrong)).problems
    assert found.document == "document 1 items[1] (EndpointSlice prod/payments-x7k2p)"


@given(st.text(max_size=200))
def test_any_text_is_either_understood_or_a_problem(text: str) -> None:
    parsed = parse("a.yaml", text)
    assert parsed.objects == () or parsed.problems == ()
