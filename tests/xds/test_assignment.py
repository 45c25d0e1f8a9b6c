import itertools

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.xds.assignments import assignments
from trimtab.errors import ProtocolError
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints
from trimtab.xds.assignment import decode_assignment, encode_body, encode_endpoints, encode_locality
from trimtab.xds.wire import text

NAME = "payments.prod:8080"


def encode(assignment: Assignment) -> bytes:
    return text(1, assignment.cluster) + encode_body(assignment)


def real(**fields: object) -> endpoint_pb2.ClusterLoadAssignment:
    """Envoy's own message with one endpoint, changed by `fields`."""
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=NAME)
    locality = message.endpoints.add()
    locality.load_balancing_weight.value = 1
    endpoint = locality.lb_endpoints.add()
    endpoint.endpoint.address.socket_address.address = str(fields.get("address", "10.0.0.1"))
    endpoint.endpoint.address.socket_address.port_value = int(str(fields.get("port", 80)))
    if "health" in fields:
        endpoint.health_status = fields["health"]
    if "weight" in fields:
        endpoint.load_balancing_weight.value = int(str(fields["weight"]))
    return message


@given(assignments)
def test_an_assignment_survives_the_wire(assignment: Assignment) -> None:
    assert decode_assignment(encode(assignment)) == assignment


@given(assignments)
def test_envoys_own_message_reads_our_bytes(assignment: Assignment) -> None:
    message = endpoint_pb2.ClusterLoadAssignment.FromString(encode(assignment))
    assert message.cluster_name == assignment.cluster
    assert [len(group.lb_endpoints) for group in message.endpoints] == [len(g.endpoints) for g in assignment.localities]
    # gRPC NACKs a locality that is absent and drops one without a weight.
    assert all(group.HasField("locality") and group.load_balancing_weight.value for group in message.endpoints)


@given(assignments)
def test_equal_assignments_encode_to_equal_bytes(assignment: Assignment) -> None:
    assert encode_body(assignment) == encode_body(decode_assignment(encode(assignment)))


@given(assignments)
def test_endpoints_encoded_apart_join_to_the_same_bytes(assignment: Assignment) -> None:
    pieces = [
        encode_locality(group.locality, group.weight, group.priority, [*encode_endpoints(group.endpoints)])
        for group in assignment.localities
    ]
    assert b"".join(itertools.chain(*pieces)) == encode_body(assignment)


def test_unknown_health_counts_as_healthy_and_anything_else_odd_as_unhealthy() -> None:
    healths = []
    for number in range(6):
        assignment = decode_assignment(real(health=number).SerializeToString())
        healths.append(next(assignment.endpoints())[1].health)
    unknown, healthy, unhealthy, draining, timeout, degraded = healths
    assert unknown is healthy is Health.HEALTHY
    assert draining is Health.DRAINING
    assert unhealthy is timeout is degraded is Health.UNHEALTHY


def test_a_locality_without_weight_takes_no_traffic() -> None:
    message = real()
    message.endpoints[0].ClearField("load_balancing_weight")
    assert len(decode_assignment(message.SerializeToString())) == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"address": "pod-1.example"}, "'pod-1.example' is not an IP address"),
        ({"port": 0}, "port 0, not between"),
        ({"weight": 0}, "has weight 0"),
    ],
)
def test_what_grpc_would_refuse_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        decode_assignment(real(**fields).SerializeToString())


def test_an_endpoint_listed_twice_is_refused() -> None:
    endpoint = Endpoint("10.0.0.1", 80)
    groups = (
        LocalityEndpoints(Locality(zone="a"), (endpoint,)),
        LocalityEndpoints(Locality(zone="b"), (endpoint,), priority=1),
    )
    with pytest.raises(ProtocolError, match=r"10\.0\.0\.1:80 is listed twice"):
        decode_assignment(encode(Assignment(NAME, groups)))


def test_an_assignment_without_a_name_is_refused() -> None:
    with pytest.raises(ProtocolError, match="without cluster_name"):
        decode_assignment(encode_body(Assignment("")))


@given(st.binary(max_size=200))
def test_any_bytes_either_decode_or_are_a_protocol_error(data: bytes) -> None:
    try:
        decode_assignment(data)
    except ProtocolError as error:
        assert str(error)
