"""Parts of a service by Pod label: what is joined, what is served, and what it costs."""

from collections.abc import Hashable

from tests.control.objects import endpoint, endpoint_slice, pod, service
from tests.control.test_resource_store import Shop
from tests.xds.envoy_messages import cluster_pb2, endpoint_pb2, listener_pb2
from trimtab.control.subsets import subsets
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints, ServiceRef
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS

PAYMENTS = "payments.prod:8080"
ANYONE = Audience(namespace="prod")


def shards() -> Shop:
    """Pods a and b are shard 7, pod c is shard 8, and pod d has no label."""
    return Shop(
        service(),
        endpoint_slice(*(endpoint(f"10.0.0.{i}", pod=name, zone="z") for i, name in enumerate("abcd", 1))),
        pod("a", shard="7"),
        pod("b", shard="7"),
        pod("c", shard="8"),
    )


def told(shop: Shop, name: str, audience: Audience = ANYONE) -> list[str]:
    message = endpoint_pb2.ClusterLoadAssignment.FromString(shop.get(ENDPOINTS, name, audience).body)
    return [e.endpoint.address.socket_address.address for group in message.endpoints for e in group.lb_endpoints]


def test_a_subset_has_the_endpoints_with_the_label() -> None:
    shop = shards()
    assert told(shop, f"{PAYMENTS}/shard=7") == ["10.0.0.1", "10.0.0.2"]
    assert told(shop, f"{PAYMENTS}/shard=8") == ["10.0.0.3"]
    assert len(told(shop, PAYMENTS)) == 4


def test_a_subset_of_nothing_is_empty_and_one_of_no_service_is_not_there() -> None:
    shop = shards()
    assert told(shop, f"{PAYMENTS}/shard=9") == []
    assert told(shop, f"{PAYMENTS}/colour=red") == []
    assert shop.store.get(ENDPOINTS, "orders.prod:8080/shard=7", ANYONE) is None
    assert shop.store.why_missing("orders.prod:8080/shard=7", ANYONE) == "there is no service orders in namespace prod"


def test_all_forms_of_the_name_share_one_body() -> None:
    shop = shards()
    names = (PAYMENTS, "payments.prod.svc.cluster.local:grpc", "payments.prod", "payments")
    bodies = [shop.get(ENDPOINTS, f"{name}/shard=7", ANYONE).body for name in names]
    assert all(body is bodies[0] for body in bodies)


def test_a_subset_has_the_cluster_of_its_service_and_a_listener_of_its_own() -> None:
    shop = shards()
    name = f"{PAYMENTS}/shard=7"
    assert cluster_pb2.Cluster.FromString(shop.get(CLUSTERS, name).body).type == cluster_pb2.Cluster.EDS
    assert shop.get(CLUSTERS, name) == shop.get(CLUSTERS)
    assert name.encode() in listener_pb2.Listener.FromString(shop.get(LISTENERS, name).body).SerializeToString()


def test_wildcards_get_the_whole_service_alone() -> None:
    shop = shards()
    shop.get(ENDPOINTS, f"{PAYMENTS}/shard=7")
    assert list(shop.store.all_names(CLUSTERS)) == [PAYMENTS]


def test_a_pod_that_changes_its_label_changes_its_subset() -> None:
    shop = shards()
    heard: list[Hashable] = []
    subject = shop.store.subject(ENDPOINTS, f"{PAYMENTS}/shard=7", ANYONE)
    assert subject == ServiceRef.parse(PAYMENTS)
    shop.store.watch(subject, heard.append)
    shop.apply(pod("a", shard="8"))
    assert heard == [subject]
    assert told(shop, f"{PAYMENTS}/shard=7") == ["10.0.0.2"]
    shop.store.apply(shop.catalog.apply([], [("Pod", "prod", "c")]))
    assert told(shop, f"{PAYMENTS}/shard=8") == ["10.0.0.1"]


def test_a_pod_that_changes_nothing_that_counts_changes_no_service() -> None:
    shop = shards()
    assert not shop.catalog.apply([pod("a", shard="7"), pod("elsewhere", shard="7")], ())


def test_a_change_in_one_subset_keeps_the_version_of_the_others() -> None:
    shop = shards()
    before = {shard: shop.get(ENDPOINTS, f"{PAYMENTS}/shard={shard}") for shard in "78"}
    shop.apply(pod("d", shard="8"))
    assert shop.get(ENDPOINTS, f"{PAYMENTS}/shard=7") == before["7"]
    assert shop.get(ENDPOINTS, f"{PAYMENTS}/shard=8").version != before["8"].version


def test_the_clients_of_a_subset_are_counted_apart() -> None:
    shop = shards()
    name = f"{PAYMENTS}/shard=7"
    assert str(shop.store.canonical("payments/shard=7", ANYONE)) == name
    assert str(shop.store.canonical("payments", ANYONE)) == PAYMENTS
    assert shop.store.canonical("orders/shard=7", ANYONE) is None
    in_zone = Audience(namespace="prod", zone="z")
    before = shop.get(ENDPOINTS, name, in_zone), shop.get(ENDPOINTS, PAYMENTS, in_zone)
    for zone in "zy":
        shop.census.joined(name, zone)
    assert shop.census.warm() == {name}
    shop.store.census_changed(name)
    assert shop.get(ENDPOINTS, name, in_zone) != before[0]
    assert shop.get(ENDPOINTS, PAYMENTS, in_zone) == before[1]


def test_who_asks_for_a_shard_nobody_has_does_not_decide_what_the_others_are_told() -> None:
    anywhere = service(policy="shards: {unmatched: any}")
    places = endpoint_slice(*(endpoint(f"10.0.0.{i}", pod=f"p{i}", zone=zone) for i, zone in enumerate("xyy", 1)))
    nobody, in_zone = f"{PAYMENTS}/shard=9", Audience(namespace="prod", zone="x")

    def told_all(*names: str) -> bytes:
        shop = Shop(anywhere, places)
        for client, zone in (
            (PAYMENTS, "x"),
            (PAYMENTS, "x"),
            (PAYMENTS, "y"),
            (nobody, "x"),
            (nobody, "y"),
            (nobody, "y"),
        ):
            shop.census.joined(client, zone)
        shop.census.warm()
        return [shop.get(ENDPOINTS, name, in_zone).body for name in names][-1]

    assert told_all(nobody, PAYMENTS) == told_all(PAYMENTS)


def test_asking_for_what_is_not_there_leaves_nothing_behind() -> None:
    shop = shards()
    for number in range(100):
        shop.get(ENDPOINTS, f"{PAYMENTS}/shard={number}")
        shop.get(ENDPOINTS, f"{PAYMENTS}/key-{number}=1")
    published = shop.store._published[ServiceRef.parse(PAYMENTS)]
    assert set(published._subsets) == {"shard"}
    assert set(published._views) == {("shard", "7"), ("shard", "8")}


def test_localities_of_a_subset_weigh_what_they_have_and_priorities_have_no_gaps() -> None:
    seven, eight = (("shard", "7"),), (("shard", "8"),)
    whole = Assignment(
        PAYMENTS,
        (
            LocalityEndpoints(Locality(zone="a"), (Endpoint("10.0.0.1", 80, labels=eight),), weight=5),
            LocalityEndpoints(
                Locality(zone="b"),
                (
                    Endpoint("10.0.0.2", 80, labels=seven),
                    Endpoint("10.0.0.3", 80, labels=seven),
                    Endpoint("10.0.0.4", 80, Health.DRAINING, labels=seven),
                ),
                weight=5,
                priority=1,
            ),
        ),
    )
    (group,) = subsets(whole, "shard")["7"].localities
    assert (group.priority, group.weight, len(group.endpoints)) == (0, 2, 3)
    assert subsets(whole, "colour") == {}


def test_labels_are_in_the_metadata_by_which_envoy_chooses_subsets() -> None:
    message = endpoint_pb2.ClusterLoadAssignment.FromString(shards().get(ENDPOINTS, f"{PAYMENTS}/shard=8").body)
    (only,) = message.endpoints[0].lb_endpoints
    assert only.metadata.filter_metadata["envoy.lb"].fields["shard"].string_value == "8"
