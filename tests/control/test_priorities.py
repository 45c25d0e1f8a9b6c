"""How healthy the priorities are that clients are told of: wholly, or not at all.

So clients that know no overprovisioning, as gRPC, need no other weights than those that do (docs/adr/0030).
"""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.control.objects import endpoint, endpoint_slice, node, pod, service
from tests.control.test_endpoints_report import Shop
from trimtab.balance.priorities import Standing, spread
from trimtab.control.kubernetes import SliceEndpoint
from trimtab.model import Health
from trimtab.xds.assignment import decode_assignment
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ENDPOINTS
from trimtab.xds.wire import text

NAMES = ("payments.prod:8080", "spare.prod:8080", "payments.prod:8080/shard=7")
ZONES = ("a", "b")
NODES = [node(f"node-{zone}", "eu", zone) for zone in ZONES]
PODS = [pod(f"pod-{number}", shard=str(7 + number % 2)) for number in range(16)]

Conditions = tuple[bool | None, bool | None, bool | None]
_conditions = st.tuples(*(st.sampled_from([None, True, False]) for _ in range(3)))
_fleets = st.lists(st.tuples(_conditions, st.sampled_from(ZONES)), max_size=6)
Fleet = list[tuple[Conditions, str]]


def _listed(fleet: Fleet, first: int) -> list[SliceEndpoint]:
    return [
        endpoint(
            f"10.0.0.{number}",
            ready=ready,
            serving=serving,
            terminating=terminating,
            pod=f"pod-{number}",
            node=f"node-{zone}",
            zone=zone,
        )
        for number, ((ready, serving, terminating), zone) in enumerate(fleet, start=first)
    ]


@given(
    st.lists(st.tuples(_fleets, _fleets), min_size=1, max_size=3),
    st.sampled_from([None, "PreferSameZone", "PreferSameNode"]),
)
def test_whatever_becomes_of_pods_one_priority_takes_all_calls(
    history: list[tuple[Fleet, Fleet]], near: str | None
) -> None:
    shop = Shop(
        service(policy="{fallback: [spare], shards: {}}", traffic_distribution=near),
        service(name="spare"),
        *NODES,
        *PODS,
    )
    for own, spare in history:
        # Pods that were ready are not ready any more, or gone, or are on another Node.
        shop.apply(
            endpoint_slice(*_listed(own, first=1)), endpoint_slice(*_listed(spare, first=7), name="spare-1", of="spare")
        )
        for name in NAMES:
            for zone in ("", *ZONES):
                assert _loads(shop, name, zone) in ([], [100]), f"{name} for zone {zone}"
        for group in shop.report().localities:
            assert group.priority_share in {0, 1}


def _loads(shop: Shop, name: str, zone: str) -> list[int]:
    """What the priorities get that get anything."""
    audience = Audience(zone=zone, node=f"node-{zone}" if zone else "")
    resource = shop.store.get(ENDPOINTS, name, audience)
    assert resource is not None
    healthy: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for priority, one in decode_assignment(text(1, name) + resource.body).endpoints():
        assert one.health is not Health.UNHEALTHY
        healthy[priority] += one.health is Health.HEALTHY
        total[priority] += one.health is not Health.DRAINING
    return [part.load for part in spread([Standing(healthy[rank], total[rank]) for rank in sorted(total)]) if part.load]
