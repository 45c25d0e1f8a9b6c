"""Resources as no client should get them: what each fault is in the real messages, and in an assignment before the gate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.e2e.kubernetes import REGION, Pod
from tests.e2e.served import Spoil, group, spoiling
from tests.xds.envoy_messages import cluster_pb2, endpoint_pb2, http_connection_manager_pb2, listener_pb2
from trimtab.model import Endpoint, Locality, LocalityEndpoints, Policy
from trimtab.xds.cluster import encode_cluster
from trimtab.xds.dialect import Dialect
from trimtab.xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS

REFUSED = "refused"
"""With a NACK."""
IGNORED = "ignored"
"""Accepted, and then nothing can be called."""
USED = "used"

_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True)
class Fault:
    """One way to spoil a resource, and what clients were seen to make of it."""

    type_url: str
    spoil: Spoil
    grpc: str
    envoy: str | None
    """None: Envoy is not sent resources of this type."""


def _endpoints(change: Callable[[Any], object], grpc: str, envoy: str) -> Fault:
    return Fault(ENDPOINTS, spoiling(endpoint_pb2.ClusterLoadAssignment, change), grpc, envoy)


def _twice(assignment: Any) -> None:
    assignment.endpoints[0].lb_endpoints.add().CopyFrom(assignment.endpoints[0].lb_endpoints[0])


def _in_two_priorities(assignment: Any) -> None:
    copy = assignment.endpoints.add()
    copy.CopyFrom(assignment.endpoints[0])
    copy.priority = 1


def _address_twice_in_additions(assignment: Any) -> None:
    first, second = (locality.lb_endpoints[0].endpoint for locality in assignment.endpoints)
    first.additional_addresses.add().address.CopyFrom(second.address)


def _gap(assignment: Any) -> None:
    assignment.endpoints[1].priority = 2


def _endpoint_weight_0(assignment: Any) -> None:
    assignment.endpoints[0].lb_endpoints[0].load_balancing_weight.value = 0


def _hostname(assignment: Any) -> None:
    assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address = "pod-1.example"


def _no_locality(assignment: Any) -> None:
    assignment.endpoints[0].ClearField("locality")


def _no_locality_weight(assignment: Any) -> None:
    for locality in assignment.endpoints:
        locality.ClearField("load_balancing_weight")


def _too_much_weight(assignment: Any) -> None:
    for locality in assignment.endpoints:
        locality.load_balancing_weight.value = _UINT32_MAX


def _only_the_enum(cluster: Any) -> None:
    cluster.ClearField("load_balancing_policy")
    cluster.lb_policy = cluster_pb2.Cluster.LEAST_REQUEST


def _no_router(listener: Any) -> None:
    manager = http_connection_manager_pb2.HttpConnectionManager.FromString(listener.api_listener.api_listener.value)
    del manager.http_filters[:]
    listener.api_listener.api_listener.value = manager.SerializeToString()


def _of_the_other_dialect(dialect: Dialect) -> Spoil:
    return lambda _: encode_cluster(Policy(), dialect, http2=True)


FAULTS: Mapping[str, Fault] = {
    "address-twice": _endpoints(_twice, REFUSED, USED),
    "address-in-two-priorities": _endpoints(_in_two_priorities, REFUSED, USED),
    "additional-address-twice": _endpoints(_address_twice_in_additions, REFUSED, USED),
    "priority-gap": _endpoints(_gap, REFUSED, USED),
    "endpoint-weight-0": _endpoints(_endpoint_weight_0, REFUSED, REFUSED),
    "hostname": _endpoints(_hostname, REFUSED, REFUSED),
    "no-locality": _endpoints(_no_locality, REFUSED, USED),
    "no-locality-weight": _endpoints(_no_locality_weight, IGNORED, USED),
    "too-much-weight": _endpoints(_too_much_weight, REFUSED, USED),
    "only-the-enum": Fault(CLUSTERS, spoiling(cluster_pb2.Cluster, _only_the_enum), REFUSED, USED),
    "list-for-envoy": Fault(CLUSTERS, _of_the_other_dialect(Dialect.ENVOY), REFUSED, USED),
    "list-for-grpc": Fault(CLUSTERS, _of_the_other_dialect(Dialect.GRPC), USED, REFUSED),
    "no-router": Fault(LISTENERS, spoiling(listener_pb2.Listener, _no_router), REFUSED, None),
}


def before_the_gate(pods: Sequence[Pod]) -> Mapping[str, Sequence[LocalityEndpoints]]:
    """The same faults as assignments of the first two Pods, which are in two zones."""
    first, second = group(pods[:1]), group(pods[1:2])
    zone = Locality(REGION, "zone-z")
    (endpoint,) = first.endpoints
    bad = {
        "endpoint-weight-0": Endpoint(pods[2].address, pods[2].port, weight=0),
        "hostname": Endpoint("pod-3.example", pods[2].port),
        "port-0": Endpoint(pods[2].address, 0),
    }
    return {
        "address-twice": (first, second, LocalityEndpoints(zone, (endpoint,))),
        "address-in-two-priorities": (first, second, LocalityEndpoints(zone, (endpoint,), priority=1)),
        "additional-address-twice": (
            first,
            replace(second, endpoints=(replace(second.endpoints[0], additional_addresses=(endpoint.address,)),)),
        ),
        "priority-gap": (first, second, group(pods[2:3], priority=2)),
        "no-locality-weight": (group(pods[:1], weight=0), group(pods[1:2], weight=0)),
        "too-much-weight": (group(pods[:1], weight=_UINT32_MAX), group(pods[1:2], weight=_UINT32_MAX)),
        **{name: (first, second, LocalityEndpoints(zone, (endpoint,))) for name, endpoint in bad.items()},
    }
