"""Kubernetes objects for the tests, written as shortly as they can be."""

from collections.abc import Sequence

from trimtab.control.kubernetes import (
    POLICY_ANNOTATION,
    REGION_LABEL,
    SERVICE_NAME_LABEL,
    ZONE_LABEL,
    Conditions,
    EndpointSlice,
    Metadata,
    Node,
    Pod,
    Service,
    ServicePortSpec,
    ServiceSpec,
    SliceEndpoint,
    SlicePort,
    TargetRef,
)


def service(*ports: ServicePortSpec, name: str = "payments", policy: str | None = None, **spec: object) -> Service:
    annotations = None if policy is None else {POLICY_ANNOTATION: policy}
    wanted = ports or (ServicePortSpec(8080, "grpc"),)
    return Service(Metadata(name, "prod", annotations=annotations), ServiceSpec(ports=list(wanted), **spec))  # type: ignore[arg-type]


def endpoint_slice(
    *endpoints: SliceEndpoint,
    name: str = "payments-1",
    of: str = "payments",
    ports: Sequence[SlicePort] = (SlicePort(9090, "grpc"),),
    address_type: str = "IPv4",
) -> EndpointSlice:
    metadata = Metadata(name, "prod", labels={SERVICE_NAME_LABEL: of})
    return EndpointSlice(metadata, address_type, list(endpoints), list(ports))


def endpoint(
    address: str,
    *,
    ready: bool | None = None,
    serving: bool | None = None,
    terminating: bool | None = None,
    pod: str = "",
    node: str | None = None,
    zone: str | None = None,
) -> SliceEndpoint:
    return SliceEndpoint(
        [address],
        Conditions(ready, serving, terminating),
        node_name=node,
        zone=zone,
        target_ref=TargetRef(name=pod, uid=f"uid-{pod}") if pod else None,
    )


def node(name: str, region: str = "", zone: str = "") -> Node:
    return Node(Metadata(name, labels={REGION_LABEL: region, ZONE_LABEL: zone}))


def pod(name: str, uid: str | None = None, **labels: str) -> Pod:
    return Pod(Metadata(name, "prod", labels=labels, uid=f"uid-{name}" if uid is None else uid))
