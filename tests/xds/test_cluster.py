import pytest

from tests.xds.envoy_messages import (
    cluster_pb2,
    http_protocol_options_pb2,
    least_request_pb2,
    typed_struct_pb2,
    wrr_locality_pb2,
)
from trimtab.model import OutlierDetection, Policy
from trimtab.xds.cluster import POLICY_TYPE, DnsTarget, encode_cluster
from trimtab.xds.dialect import Dialect


def cluster(dialect: Dialect, *, http2: bool = True, policy: Policy | None = None) -> cluster_pb2.Cluster:
    return cluster_pb2.Cluster.FromString(encode_cluster(policy or Policy(), dialect, http2=http2))


def policies(message: cluster_pb2.Cluster) -> list[str]:
    return [p.typed_extension_config.typed_config.type_url.rpartition(".")[2] for p in message.policies]


def test_endpoints_come_over_the_same_stream() -> None:
    message = cluster(Dialect.GRPC)
    assert message.type == cluster_pb2.Cluster.EDS
    assert message.eds_cluster_config.eds_config.HasField("ads")


def test_our_own_policy_comes_first_for_everyone() -> None:
    for dialect in Dialect:
        message = cluster(dialect, policy=Policy("round_robin", max_connections=7))
        own = typed_struct_pb2.TypedStruct()
        assert message.load_balancing_policy.policies[0].typed_extension_config.typed_config.Unpack(own)
        assert own.type_url == POLICY_TYPE
        assert Policy.from_mapping(dict(own.value)) == Policy("round_robin", max_connections=7)


def test_grpc_keeps_locality_weights_and_chooses_inside_the_locality() -> None:
    # A top-level least_request would make Go and Java ignore locality weights.
    message = cluster(Dialect.GRPC)
    assert policies(message.load_balancing_policy) == ["TypedStruct", "WrrLocality"]
    wrr = wrr_locality_pb2.WrrLocality()
    assert message.load_balancing_policy.policies[1].typed_extension_config.typed_config.Unpack(wrr)
    assert policies(wrr.endpoint_picking_policy) == ["LeastRequest", "RoundRobin"]


def test_envoy_gets_two_choices_with_locality_weights() -> None:
    message = cluster(Dialect.ENVOY)
    assert policies(message.load_balancing_policy) == ["TypedStruct", "LeastRequest"]
    least_request = least_request_pb2.LeastRequest()
    assert message.load_balancing_policy.policies[1].typed_extension_config.typed_config.Unpack(least_request)
    assert least_request.choice_count.value == 2
    assert least_request.locality_lb_config.HasField("locality_weighted_lb_config")


def test_slow_start_is_carried_where_it_is_understood() -> None:
    policy = Policy(slow_start_s=30, slow_start_aggression=2, slow_start_min=0.25)
    policies = cluster(Dialect.ENVOY, policy=policy).load_balancing_policy.policies
    least_request = least_request_pb2.LeastRequest()
    assert policies[1].typed_extension_config.typed_config.Unpack(least_request)
    slow_start = least_request.slow_start_config
    assert slow_start.slow_start_window.seconds == 30
    assert (slow_start.aggression.default_value, slow_start.min_weight_percent.value) == (2, 25)


def test_limits_are_carried_for_everyone() -> None:
    policy = Policy(connect_timeout_s=0.25, max_requests=50, outlier_detection=OutlierDetection(interval_s=2.5))
    for dialect in Dialect:
        message = cluster(dialect, policy=policy)
        assert message.connect_timeout.ToMilliseconds() == 250
        assert message.circuit_breakers.thresholds[0].max_requests.value == 50
        assert message.outlier_detection.interval.ToMilliseconds() == 2500
        assert message.outlier_detection.failure_percentage_threshold.value == 85
        assert message.outlier_detection.enforcing_failure_percentage.value == 100


def test_nothing_is_said_about_limits_that_were_not_asked_for() -> None:
    message = cluster(Dialect.GRPC)
    assert not message.HasField("outlier_detection")
    assert not message.HasField("circuit_breakers")


def test_envoy_is_told_which_http_the_endpoints_speak() -> None:
    for http2, field in ((True, "http2_protocol_options"), (False, "http_protocol_options")):
        (extension,) = cluster(Dialect.ENVOY, http2=http2).typed_extension_protocol_options.values()
        options = http_protocol_options_pb2.HttpProtocolOptions()
        assert extension.Unpack(options)
        assert options.explicit_http_config.WhichOneof("protocol_config") == field


def test_the_dialect_follows_the_user_agent() -> None:
    assert Dialect.of("envoy") is Dialect.ENVOY
    assert Dialect.of("gRPC C-core linux Python") is Dialect.GRPC
    assert Dialect.of("trimtab-python") is Dialect.GRPC
    assert Dialect.of("") is Dialect.GRPC


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [(Dialect.GRPC, cluster_pb2.Cluster.LOGICAL_DNS), (Dialect.ENVOY, cluster_pb2.Cluster.STRICT_DNS)],
)
def test_what_dns_knows_is_one_endpoint_in_one_locality(dialect: Dialect, kind: int) -> None:
    # gRFC A37 refuses anything else.
    body = encode_cluster(Policy(), dialect, http2=True, target=DnsTarget("db.example", 5432))
    message = cluster_pb2.Cluster.FromString(body)
    assert message.type == kind
    assert not message.HasField("eds_cluster_config")
    ((endpoint,),) = [group.lb_endpoints for group in message.load_assignment.endpoints]
    address = endpoint.endpoint.address.socket_address
    assert (address.address, address.port_value) == ("db.example", 5432)
