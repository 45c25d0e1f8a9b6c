"""trafficDistribution and internalTrafficPolicy, as clients of every place are told."""

from typing import Any

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from tests.control.objects import pod as labelled
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.kubernetes import EndpointSlice, Hint, Hints, SliceEndpoint
from trimtab.control.resource_store import ResourceStore
from trimtab.control.wishes import Near, Place, Wish
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints
from trimtab.xds.assignment import decode_assignment
from trimtab.xds.discovery import ClientNode
from trimtab.xds.resource_type import ENDPOINTS

NAME = "payments.prod:8080"
Told = list[tuple[int, list[str]]]
"""Last numbers of addresses, by priority."""


def shop() -> EndpointSlice:
    """Two Nodes in zone a, one in zone b: Pods 1 and 2 on n1, 3 on n2, 4 and 5 on n3."""
    places = [("n1", "a"), ("n1", "a"), ("n2", "a"), ("n3", "b"), ("n3", "b")]
    return endpoint_slice(*(pod(index, *place) for index, place in enumerate(places, 1)))


def pod(number: int, node: str, zone: str, **more: Any) -> SliceEndpoint:
    return endpoint(f"10.0.0.{number}", pod=f"p{number}", node=node, zone=zone, **more)


def store(*slices: EndpointSlice, policy: str | None = None, **spec: Any) -> ResourceStore:
    made = ResourceStore(catalog := Catalog(), Census())
    made.apply(catalog.apply([service(policy=policy, **spec), *(slices or (shop(),))], ()))
    return made


def answer(made: ResourceStore, name: str = NAME, *, zone: str = "", node: str = "", pod_ip: str = "") -> Assignment:
    """What a client there gets, from the bytes."""
    client = ClientNode(metadata={"NODE_NAME": node, "POD_IP": pod_ip}, locality=Locality(zone=zone))
    resource = made.get(ENDPOINTS, name, made.audience(client))
    assert resource is not None
    return decode_assignment(b"\x0a\x01x" + resource.body)


def told(made: ResourceStore, name: str = NAME, **where: str) -> Told:
    found: dict[int, list[str]] = {}
    for priority, one in answer(made, name, **where).endpoints():
        found.setdefault(priority, []).append(one.address.rpartition(".")[2])
    return [(priority, sorted(numbers)) for priority, numbers in sorted(found.items())]


def endpoints(made: ResourceStore, **where: str) -> list[Endpoint]:
    return [one for _, one in answer(made, **where).endpoints()]


@pytest.mark.parametrize("distribution", ["PreferClose", "PreferSameZone"])
def test_the_zone_comes_first_and_the_rest_stays_behind_it(distribution: str) -> None:
    made = store(traffic_distribution=distribution)
    assert told(made, zone="a") == [(0, ["1", "2", "3"]), (1, ["4", "5"])]
    assert told(made, zone="b") == [(0, ["4", "5"]), (1, ["1", "2", "3"])]


def test_the_node_comes_first_then_the_zone_then_the_rest() -> None:
    made = store(traffic_distribution="PreferSameNode")
    assert told(made, node="n1", zone="a") == [(0, ["1", "2"]), (1, ["3"]), (2, ["4", "5"])]
    assert told(made, node="n3", zone="b") == [(0, ["4", "5"]), (1, ["1", "2", "3"])]
    assert told(made, node="elsewhere", zone="a") == [(0, ["1", "2", "3"]), (1, ["4", "5"])]


@pytest.mark.parametrize("distribution", ["PreferSameZone", "PreferSameNode"])
def test_where_nothing_is_near_or_the_client_is_nowhere_all_are_equal(distribution: str) -> None:
    made = store(traffic_distribution=distribution)
    assert told(made, zone="c", node="n9") == [(0, ["1", "2", "3", "4", "5"])]
    assert told(made) == [(0, ["1", "2", "3", "4", "5"])]


def test_a_zone_in_which_all_are_draining_does_not_come_first() -> None:
    draining = {"ready": False, "serving": True, "terminating": True}
    part = endpoint_slice(pod(1, "n1", "a", **draining), pod(2, "n2", "b"))
    assert told(store(part, traffic_distribution="PreferSameZone"), zone="a") == [(0, ["1", "2"])]


def test_hints_say_for_whom_an_endpoint_is_near() -> None:
    far = SliceEndpoint(["10.0.0.1"], node_name="n1", zone="a", hints=Hints([Hint("b")], [Hint("n7")]))
    made = store(endpoint_slice(far, pod(2, "n1", "a")), traffic_distribution="PreferSameNode")
    assert told(made, zone="b", node="n7") == [(0, ["1"]), (1, ["2"])]
    assert told(made, zone="a", node="n1") == [(0, ["2"]), (1, ["1"])]


def test_without_the_field_hints_say_nothing() -> None:
    """Zones are weighed by what they can take and who asks: no need to cut them off from each other."""
    hinted = SliceEndpoint(["10.0.0.1"], zone="a", hints=Hints([Hint("a")]))
    assert told(store(endpoint_slice(hinted, pod(2, "n1", "b"))), zone="a") == [(0, ["1", "2"])]


def test_local_traffic_stays_on_the_node_whatever_happens() -> None:
    made = store(internal_traffic_policy="Local")
    assert told(made, node="n1", zone="a") == [(0, ["1", "2"])]
    assert told(made, node="n9", zone="a") == []
    assert told(made, zone="a") == []
    assert told(store(internal_traffic_policy="Cluster"), node="n9") == [(0, ["1", "2", "3", "4", "5"])]


def test_local_traffic_goes_by_where_endpoints_run_and_not_by_hints() -> None:
    hinted = SliceEndpoint(["10.0.0.1"], node_name="n1", hints=Hints(for_nodes=[Hint("n2")]))
    made = store(endpoint_slice(hinted), internal_traffic_policy="Local", traffic_distribution="PreferSameNode")
    assert told(made, node="n1") == [(0, ["1"])]
    assert told(made, node="n2") == []


def test_local_traffic_falls_back_to_what_terminates_there_and_still_serves() -> None:
    draining = {"ready": False, "serving": True, "terminating": True}
    made = store(endpoint_slice(pod(1, "n1", "a", **draining), pod(2, "n2", "a")), internal_traffic_policy="Local")
    (found,) = endpoints(made, node="n1")
    assert found.health is Health.HEALTHY
    assert {one.address: one.health for one in endpoints(made, node="n2")} == {"10.0.0.2": Health.HEALTHY}


def test_a_policy_by_which_zones_are_no_matter_goes_first() -> None:
    made = store(policy="zone: off", traffic_distribution="PreferSameZone")
    assert told(made, zone="a") == [(0, ["1", "2", "3", "4", "5"])]
    assert told(store(policy="zone: off", internal_traffic_policy="Local"), node="n2") == [(0, ["3"])]


def test_what_comes_after_the_service_itself_stays_after_it() -> None:
    own = LocalityEndpoints(Locality(zone="a"), (Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)))
    fallback = LocalityEndpoints(Locality(zone="a"), (Endpoint("10.0.0.9", 80),), priority=1)
    places = {own.endpoints[0].identity: Near(frozenset({"a"}), frozenset({"n1"}), "n1")}
    whole = Assignment("x", (own, fallback))
    prefers = Wish(same_node=True).knowing(places).view(whole, Place("a", "n1"))
    assert [(rank, one.address) for rank, one in prefers.endpoints()] == [
        (0, "10.0.0.1"),
        (1, "10.0.0.2"),
        (2, "10.0.0.9"),
    ]
    stays = Wish(node_only=True).knowing(places)
    assert [(rank, one.address) for rank, one in stays.view(whole, Place("a", "n1")).endpoints()] == [
        (0, "10.0.0.1"),
        (1, "10.0.0.9"),
    ]
    assert [(rank, one.address) for rank, one in stays.view(whole, Place("a", "n2")).endpoints()] == [(0, "10.0.0.9")]


def test_the_node_of_a_client_is_that_of_its_pod() -> None:
    assert told(store(internal_traffic_policy="Local"), pod_ip="10.0.0.4") == [(0, ["4", "5"])]


def test_an_overview_shows_what_local_clients_see_taken_together() -> None:
    made = store(internal_traffic_policy="Local")
    ref = made.canonical(NAME, made.audience(ClientNode()))
    assert ref is not None
    assert len(made.assignment(ref) or ()) == 5


def test_places_from_which_all_looks_the_same_share_a_body() -> None:
    made = store(traffic_distribution="PreferSameNode")
    clients = [ClientNode(metadata={"NODE_NAME": f"n{n}"}, locality=Locality(zone="c")) for n in range(10, 500)]
    found = {id(made.get(ENDPOINTS, NAME, made.audience(client))) for client in clients}
    assert len(found) == 1


def test_what_is_never_ready_is_published_if_the_service_says_so() -> None:
    """The controller writes ready for every Pod of a Service with publishNotReadyAddresses, terminating ones included."""
    listed = endpoint("10.0.0.1", ready=True, serving=False, terminating=True, pod="p1")
    assert told(store(endpoint_slice(listed))) == [(0, ["1"])]


def test_it_holds_for_subsets_too() -> None:
    made = ResourceStore(catalog := Catalog(), Census())
    pods = [labelled(f"p{n}", shard="7") for n in (1, 4)]
    made.apply(catalog.apply([service(traffic_distribution="PreferSameZone"), shop(), *pods], ()))
    assert told(made, f"{NAME}/shard=7", zone="b") == [(0, ["4"]), (1, ["1"])]


@pytest.mark.parametrize("spec", [{}, {"traffic_distribution": "PreferSameZone"}, {"internal_traffic_policy": "Local"}])
def test_clients_may_call_their_zone_anything_and_nothing_is_kept_of_it(spec: dict[str, str]) -> None:
    census = Census()
    for zone in "ab":
        census.joined(NAME, zone)
    census.warm()
    made = ResourceStore(catalog := Catalog(), census)
    made.apply(catalog.apply([service(**spec), shop()], ()))
    unknown, there = endpoints(made, node="n1"), endpoints(made, zone="a", node="n1")
    for number in range(100):
        assert endpoints(made, zone=f"zone-{number}", node="n1") == unknown
    (published,) = set(made._published.values())
    assert sum(map(len, published._views.values())) <= 2
    assert endpoints(made, zone="a", node="n1") == there
