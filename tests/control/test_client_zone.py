"""Where a client is found to run."""

from tests.control.objects import endpoint, endpoint_slice, node, service
from tests.xds.envoy_messages import discovery_pb2
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.resource_store import ResourceStore
from trimtab.model import Locality
from trimtab.xds.discovery import ClientNode, DiscoveryRequest

HERSELF = Locality(zone="z-self")


def zone(client: ClientNode, *, catalog: Catalog | None = None) -> str:
    catalog = catalog or filled()
    return ResourceStore(catalog, Census()).audience(client).zone


def filled() -> Catalog:
    catalog = Catalog()
    catalog.apply(
        [
            node("n1", zone="z-node"),
            node("bare"),
            service(),
            endpoint_slice(endpoint("10.0.0.1", zone="z-slice"), endpoint("10.0.0.2", node="n1"), endpoint("10.0.0.3")),
        ],
        (),
    )
    return catalog


def test_the_zone_label_of_its_node_comes_first() -> None:
    client = ClientNode(metadata={"NODE_NAME": "n1", "POD_IP": "10.0.0.1"}, locality=HERSELF)
    assert zone(client) == "z-node"


def test_the_endpoint_with_its_address_comes_next() -> None:
    assert zone(ClientNode(metadata={"POD_IP": "10.0.0.1"}, locality=HERSELF)) == "z-slice"
    assert zone(ClientNode(metadata={"NODE_NAME": "unheard-of", "POD_IP": "10.0.0.1"})) == "z-slice"
    assert zone(ClientNode(metadata={"NODE_NAME": "bare", "POD_IP": "10.0.0.1"})) == "z-slice"


def test_an_endpoint_without_zone_is_where_its_node_is() -> None:
    assert zone(ClientNode(metadata={"POD_IP": "10.0.0.2"})) == "z-node"


def test_what_the_client_says_of_itself_comes_last() -> None:
    assert zone(ClientNode(locality=HERSELF)) == "z-self"
    assert zone(ClientNode(metadata={"POD_IP": "10.0.0.3"}, locality=HERSELF)) == "z-self"
    assert zone(ClientNode(metadata={"POD_IP": "192.0.2.1"}, locality=HERSELF)) == "z-self"


def test_a_client_of_which_nothing_is_known_has_no_zone() -> None:
    assert zone(ClientNode(metadata={"NODE_NAME": "", "POD_IP": ""})) == ""


def test_it_is_read_from_what_clients_send() -> None:
    request = discovery_pb2.DiscoveryRequest()
    request.node.metadata["NODE_NAME"] = "n1"
    client = DiscoveryRequest.parse(request.SerializeToString()).node
    assert client is not None
    assert zone(client) == "z-node"


def test_an_address_is_known_as_long_as_any_slice_lists_it() -> None:
    catalog, client = filled(), ClientNode(metadata={"POD_IP": "10.0.0.1"})
    catalog.apply([endpoint_slice(endpoint("10.0.0.1", zone="z-slice"), name="orders-1", of="orders")], ())
    catalog.apply((), [("EndpointSlice", "prod", "payments-1")])
    assert zone(client, catalog=catalog) == "z-slice"
    catalog.apply((), [("EndpointSlice", "prod", "orders-1")])
    assert zone(client, catalog=catalog) == ""


def test_the_next_pod_at_an_address_counts() -> None:
    catalog, client = filled(), ClientNode(metadata={"POD_IP": "10.0.0.1"})
    catalog.apply([endpoint_slice(endpoint("10.0.0.1", zone="z-next"), name="payments-2")], ())
    assert zone(client, catalog=catalog) == "z-next"
    catalog.apply([endpoint_slice(name="payments-1")], ())
    assert zone(client, catalog=catalog) == "z-next"
