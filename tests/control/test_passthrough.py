"""What clients are told of a service that is turned back to plain DNS."""

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.test_resource_store import Shop
from tests.xds.envoy_messages import cluster_pb2
from trimtab.model import Policy
from trimtab.xds.cluster import decode_policy
from trimtab.xds.dialect import Dialect
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS
from trimtab.xds.wire import text

NAME = "payments.prod:8080"


def shop(policy: str) -> Shop:
    return Shop(service(policy=policy), endpoint_slice(endpoint("10.0.0.1")))


def cluster(of: Shop, name: str = NAME, dialect: Dialect = Dialect.GRPC) -> cluster_pb2.Cluster:
    return cluster_pb2.Cluster.FromString(of.get(CLUSTERS, name, Audience(dialect=dialect)).body)


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [(Dialect.GRPC, cluster_pb2.Cluster.LOGICAL_DNS), (Dialect.ENVOY, cluster_pb2.Cluster.STRICT_DNS)],
)
def test_stock_clients_ask_dns_for_the_service_by_its_own_name(dialect: Dialect, kind: int) -> None:
    told = cluster(shop("mode: passthrough"), dialect=dialect)
    assert told.type == kind
    address = told.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
    assert (address.address, address.port_value) == ("payments.prod", 8080)


def test_our_clients_learn_which_name_that_is_under_every_form_of_it() -> None:
    body = shop("mode: passthrough").get(CLUSTERS, "payments.prod:grpc").body
    assert decode_policy(text(1, NAME) + body)[1] == Policy(mode="passthrough", dns=NAME)


def test_another_name_can_be_said() -> None:
    address = (
        cluster(shop("{mode: passthrough, dns: 'payments.example.com:443'}"))
        .load_assignment.endpoints[0]
        .lb_endpoints[0]
        .endpoint.address.socket_address
    )
    assert (address.address, address.port_value) == ("payments.example.com", 443)


def test_the_endpoints_are_served_as_ever() -> None:
    assert shop("mode: passthrough").get(ENDPOINTS, NAME) == shop("{}").get(ENDPOINTS, NAME)
    assert cluster(shop("{}")).type == cluster_pb2.Cluster.EDS


def test_a_shard_is_not_everybody() -> None:
    assert cluster(shop("mode: passthrough"), f"{NAME}/shard=7").type == cluster_pb2.Cluster.EDS
    anywhere = shop("{mode: passthrough, shards: {unmatched: any}}")
    assert cluster(anywhere, f"{NAME}/shard=7").type == cluster_pb2.Cluster.LOGICAL_DNS
