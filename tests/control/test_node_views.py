"""What differs by Node: the same as the view made from scratch, at the cost of what is near to the Node."""

import random
from itertools import product
from typing import Any

import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from trimtab.control import resource_store
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.join import ServicePort
from trimtab.control.published import Published
from trimtab.control.resource_store import ResourceStore
from trimtab.control.wishes import Near, Place, Wish
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints, Policy, ServiceRef
from trimtab.xds import assignment as codec
from trimtab.xds.assignment import decode_assignment
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ENDPOINTS

NAME = "payments.prod:8080"
NODES, ZONES = ["", "n1", "n2", "n3", "n4"], ["", "a", "b", "c"]
Content = frozenset[tuple[int, Locality, int, frozenset[Endpoint]]]


def content(assignment: Assignment) -> Content:
    """An assignment without the order of anything."""
    return frozenset(
        (group.priority, group.locality, group.weight, frozenset(group.endpoints)) for group in assignment.localities
    )


def random_published(rng: random.Random) -> Published:
    """Up to four localities with endpoints in every state, near to Nodes and zones of any kind, and maybe fallbacks."""
    places = [("r", "a", ""), ("r", "a", "rack"), ("r", "b", ""), ("", "", "")]
    near: dict[tuple[str, int, str], Near] = {}
    groups, number = [], 0
    for priority, place in product(range(rng.randint(1, 3)), rng.sample(places, rng.randint(1, 4))):
        endpoints = []
        for _ in range(rng.randint(1, 4)):
            number += 1
            health = rng.choice([Health.HEALTHY, Health.HEALTHY, Health.DRAINING])
            labels = (("shard", rng.choice("xy")),)
            one = Endpoint(f"10.0.0.{number}", 80, health, uid=f"u{number}", labels=labels)
            endpoints.append(one)
            if not priority:
                on = rng.choice(NODES)
                hinted = frozenset(rng.sample(NODES[1:], 2)) if rng.random() < 0.3 else frozenset({on})
                zones = frozenset(rng.sample(ZONES[1:], 2)) if rng.random() < 0.3 else frozenset({place[1]})
                near[one.identity] = Near(zones, hinted, on)
        groups.append(LocalityEndpoints(Locality(*place), tuple(endpoints), rng.randint(1, 9), priority))
    wish = rng.choice(
        [
            Wish(same_zone=True, same_node=True),
            Wish(same_node=True),
            Wish(node_only=True),
            Wish(same_zone=True, same_node=True, node_only=True),
        ]
    )
    ref = ServiceRef.parse(NAME)
    port = ServicePort(ref, (ref,), Assignment(NAME, tuple(groups)), Policy(), http2=True, wish=wish.knowing(near))
    return Published(port, port.assignment)


@pytest.mark.parametrize("seed", range(150))
def test_a_view_from_a_node_is_the_one_made_from_scratch(seed: int) -> None:
    rng = random.Random(seed)
    published = random_published(rng)
    shares = rng.choice([None, {"a": 30, "b": 30}, {"a": 1, "c": 59}])
    by_version: dict[str, Content] = {}
    for subset, zone, node in product([None, ("shard", "x"), ("shard", "z")], ZONES, [*NODES, "n9"]):
        place = published.port.wish.viewed_from(Place(zone, node), shares or ())
        expected = published.assignment(subset, place, shares)
        resource = published.resource(subset, Place(zone, node), lambda *_: shares)
        told = content(decode_assignment(b"\x0a\x01x" + resource.body))
        assert told == content(expected)
        # One version never means two things; two may mean the same, if one is a view from a Node.
        assert by_version.setdefault(resource.version, told) == told


def daemon_set(nodes: int, **spec: str) -> ResourceStore:
    made = ResourceStore(catalog := Catalog(), Census())
    pods = [
        endpoint(f"10.0.{n // 250}.{n % 250 + 1}", pod=f"p{n}", node=f"n{n}", zone="abc"[n % 3]) for n in range(nodes)
    ]
    made.apply(catalog.apply([service(**spec), endpoint_slice(*pods)], ()))
    return made


@pytest.mark.parametrize("spec", [{"traffic_distribution": "PreferSameNode"}, {"internal_traffic_policy": "Local"}])
def test_with_an_endpoint_on_every_node_each_is_encoded_a_few_times_and_not_for_every_node(
    spec: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = list[Endpoint]()
    encode = codec._encode_endpoint

    def counted(one: Endpoint, message: Any) -> None:
        encoded.append(one)
        encode(one, message)

    monkeypatch.setattr(codec, "_encode_endpoint", counted)
    made = daemon_set(300, **spec)
    views = [made.get(ENDPOINTS, NAME, Audience(zone="abc"[n % 3], node=f"n{n}")) for n in range(300)]
    assert len({view.version for view in views if view is not None}) == 300
    assert len(encoded) <= 4 * 300


def test_nodes_whose_endpoints_take_no_calls_see_what_their_zone_sees() -> None:
    made = ResourceStore(catalog := Catalog(), Census())
    draining = [
        endpoint(f"10.0.1.{n}", node=f"n{n}", zone="a", ready=False, serving=True, terminating=True) for n in range(9)
    ]
    spec = {"traffic_distribution": "PreferSameNode"}
    made.apply(
        catalog.apply([service(**spec), endpoint_slice(*draining, endpoint("10.0.0.1", node="n", zone="a"))], ())
    )
    found = {id(made.get(ENDPOINTS, NAME, Audience(zone="a", node=f"n{n}"))) for n in range(9)}
    assert len(found) == 1


def test_views_from_nodes_are_not_kept_beyond_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made = daemon_set(100, traffic_distribution="PreferSameNode")
    one = made.get(ENDPOINTS, NAME, Audience(zone="a", node="n0"))
    assert one is not None
    monkeypatch.setattr(resource_store, "_TOLD_SIZE_MAX", 5 * len(one.body))
    for n in range(100):
        made.get(ENDPOINTS, NAME, Audience(zone="abc"[n % 3], node=f"n{n}"))
        assert sum(len(told.body) for told in made._told.values()) <= 5 * len(one.body) + len(one.body) // 2
    assert not any(published._views for published in made._published.values())


def test_what_is_the_same_again_has_the_same_version() -> None:
    first, second = (daemon_set(30, traffic_distribution="PreferSameNode") for _ in range(2))
    for n in range(30):
        audience = Audience(zone="abc"[n % 3], node=f"n{n}")
        mine, theirs = (made.get(ENDPOINTS, NAME, audience) for made in (first, second))
        assert mine == theirs
        assert mine is not None
