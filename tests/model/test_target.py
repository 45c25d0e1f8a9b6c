import pytest

from trimtab.errors import TargetError
from trimtab.model import ServiceRef

PAYMENTS = ServiceRef("payments", "prod", "8080")


@pytest.mark.parametrize(
    "target",
    [
        "payments.prod:8080",
        "xds:///payments.prod:8080",
        "xds:payments.prod:8080",
        "payments.prod.svc:8080",
        "payments.prod.svc.cluster.local:8080",
        "payments.prod.svc.cluster.local.:8080",
        "xds:///payments.prod.svc.corp.example:8080",
        "Payments.Prod:8080",
        "payments.prod:08080",
    ],
)
def test_all_forms_of_a_name_mean_the_same_service(target: str) -> None:
    assert ServiceRef.parse(target) == PAYMENTS


@pytest.mark.parametrize("name", ["grpc", "g", "grpc-for-internal-callers", "8080-tls", "a--b", "p" * 63])
def test_a_port_may_be_given_by_any_name_that_a_service_may_give_it(name: str) -> None:
    assert ServiceRef.parse(f"payments.prod:{name}") == ServiceRef("payments", "prod", name)


def test_a_service_with_one_port_needs_none() -> None:
    assert ServiceRef.parse("payments.prod") == ServiceRef("payments", "prod", None)


def test_a_bare_name_means_the_askers_namespace() -> None:
    bare = ServiceRef.parse("payments:8080")
    assert bare.namespace is None
    assert bare.within("prod") == PAYMENTS
    assert PAYMENTS.within("other") == PAYMENTS


@pytest.mark.parametrize(
    ("target", "label"),
    [
        ("xds:///payments.prod:8080/shard=7", ("shard", "7")),
        ("payments.prod.svc.cluster.local:8080/Shard=7", ("Shard", "7")),
        ("payments.prod:8080/example.com/shard=v1.2_a", ("example.com/shard", "v1.2_a")),
        ("payments.prod:8080/canary=", ("canary", "")),
    ],
)
def test_a_label_names_a_part_of_the_service(target: str, label: tuple[str, str]) -> None:
    ref = ServiceRef.parse(target)
    assert ref.subset == label
    assert ref.whole == PAYMENTS
    assert ref.within("other") == ref


@pytest.mark.parametrize(
    "target",
    ["payments.prod:8080", "payments:grpc", "payments.prod", "payments", "payments/shard=7", "payments.prod:80/tier="],
)
def test_a_reference_prints_as_the_target_it_came_from(target: str) -> None:
    assert str(ServiceRef.parse(target)) == target


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("", "no service name"),
        ("xds:///", "no service name"),
        (":8080", "no service name"),
        ("payments.prod:0", "between 1 and 65535"),
        ("payments.prod:65536", "between 1 and 65535"),
        ("payments.prod:", "neither a port number nor a port name"),
        ("payments.prod:not_a_port", "neither a port number nor a port name"),
        ("payments.prod:²", "neither a port number nor a port name"),
        ("payments.prod:GRPC", "neither a port number nor a port name"),
        ("payments.prod:-grpc", "neither a port number nor a port name"),
        ("payments.prod:grpc-", "neither a port number nor a port name"),
        ("payments.prod:grpc.tls", "neither a port number nor a port name"),
        ("payments.prod:" + "p" * 64, "neither a port number nor a port name"),
        ("pay_ments.prod:8080", "not a DNS label"),
        ("payments..prod:8080", "not the name of a Kubernetes service"),
        ("payments.-prod:8080", "not a DNS label"),
        ("10.0.0.1:8080", "not the name of a Kubernetes service"),
        ("[::1]:8080", "neither"),
        ("www.example.com:443", "not the name of a Kubernetes service"),
        ("dns:///payments.prod:8080", "write xds:///payments.prod:8080"),
        ("xds://traffic-director/payments.prod:8080", "three slashes"),
        ("payments.prod:8080/", "'' is not KEY=VALUE of a Pod label"),
        ("payments.prod:8080/shard", "'shard' is not KEY=VALUE"),
        ("payments.prod:8080/sh?rd=7", "is not KEY=VALUE"),
        ("payments.prod:8080/shard=7=8", "'7=8' is not the value of a label"),
        ("payments.prod:8080/shard=7/tier=hot", "'7/tier=hot' is not the value of a label"),
        ("/shard=7", "no service name"),
        ("payments.prod:" + "0" * 1024 + "1", "more than 1024 characters"),
    ],
)
def test_a_target_that_names_no_service_is_refused_with_a_hint(target: str, says: str) -> None:
    with pytest.raises(TargetError, match="target") as caught:
        ServiceRef.parse(target)
    assert says in str(caught.value)


@pytest.mark.parametrize("target", [None, b"payments.prod:8080", 8080, ["payments"]])
def test_what_is_no_text_is_no_target(target: object) -> None:
    with pytest.raises(TargetError, match=r"is no text; expected \[xds:///\]SERVICE"):
        ServiceRef.parse(target)  # type: ignore[arg-type]
