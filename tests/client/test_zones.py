"""A client learns from the control plane in which zone it runs, and keeps its calls there."""

from collections import Counter
from collections.abc import Callable

import grpc
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ECHO, NAME, sync_channel
from trimtab.model import Locality, LocalityEndpoints, Policy

Backends = Callable[[int], list[Backend]]


def zoned(ads: AdsServer, backends: list[Backend]) -> list[Backend]:
    """One backend in zone a, one in zone b; clients are to call that in b."""
    groups = [
        LocalityEndpoints(Locality("eu", zone), (backend.endpoint,), weight)
        for zone, weight, backend in zip("ab", (1, 9_999), backends, strict=True)
    ]
    ads.assign_groups(NAME, *groups)
    return backends


def test_calls_stay_in_the_zone_that_the_control_plane_names(ads: AdsServer, backends: Backends) -> None:
    ads.zone = "b"
    here = zoned(ads, backends(2))
    with sync_channel(ads) as channel:
        call = channel.unary_unary(ECHO)
        call(b"hello", wait_for_ready=True)
        eventually(lambda: [state.connectivity for state in channel.explain()] == ["ready", "ready"])
        before = Counter({zone: backend.calls for zone, backend in zip("ab", here, strict=True)})
        for _ in range(200):
            call(b"hello")
        counts = Counter({zone: backend.calls for zone, backend in zip("ab", here, strict=True)})
        assert (counts - before)["b"] > 185
        explained = channel.explain()
        assert explained.client_zone == "b"
        assert sum(explained.crossings.values()) == counts["a"]
        assert {state.zone: round(state.zone_share, 4) for state in explained} == {"a": 0.0001, "b": 0.9999}


@pytest.mark.parametrize("told", [True, False])
def test_the_bootstraps_zone_counts_where_the_control_plane_names_none(
    ads: AdsServer, backends: Backends, told: bool
) -> None:
    ads.zone = "b" if told else None
    ports = {zone: backend.port for zone, backend in zip("ab", zoned(ads, backends(2)), strict=True)}
    servers = [{"server_uri": ads.address, "channel_creds": [{"type": "insecure"}]}]
    bootstrap = {"xds_servers": servers, "node": {"locality": {"zone": "a"}}}
    with trimtab.channel(NAME, bootstrap=bootstrap, policy=Policy(zone="require")) as channel:
        channel.unary_unary(ECHO)(b"hello", wait_for_ready=True)
        [node] = channel.cluster.nodes
        assert node.endpoint.port == ports["b" if told else "a"]


@pytest.mark.parametrize(("zone", "why"), [("", "nobody knows the zone of this client"), ("c", "is in zone c")])
def test_require_refuses_calls_rather_than_leave_the_zone(
    ads: AdsServer, backends: Backends, zone: str, why: str
) -> None:
    ads.zone = zone
    zoned(ads, backends(2))
    ads.balance(NAME, Policy(zone="require"))
    with sync_channel(ads) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(ECHO)(b"hello")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert why in str(refused.value.details())
        assert isinstance(refused.value.__cause__, trimtab.NoEndpoints)
        ads.balance(NAME, Policy())
        eventually(lambda: len(channel.cluster.nodes) == 2)
        assert channel.unary_unary(ECHO)(b"hello", wait_for_ready=True) == b"hello"
