"""The protobuf messages of the xDS subset in `proto/`, loaded into a descriptor pool of their own.

A private pool because generated code pins the user's protobuf runtime, and because a process may well hold Envoy's own
protos too: in the shared pool two files of one name clash (docs/adr/0003). Only the codecs of this package touch these
classes; everyone else sees dataclasses.
"""

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

POOL: Any = descriptor_pool.DescriptorPool()
FILES = tuple(
    POOL.AddSerializedFile(file.SerializeToString())
    for file in descriptor_pb2.FileDescriptorSet.FromString(
        resources.files(__package__).joinpath("proto/xds.binpb").read_bytes()
    ).file
)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def _enum(name: str) -> Any:
    return POOL.FindEnumTypeByName(name).values_by_name


# Any: classes made at run time have no static type. The codecs are the only users, and tests check them against the
# real Envoy messages.
ClusterLoadAssignment: Any = _message("envoy.config.endpoint.v3.ClusterLoadAssignment")
LocalityLbEndpoints: Any = _message("envoy.config.endpoint.v3.LocalityLbEndpoints")
LbEndpoint: Any = _message("envoy.config.endpoint.v3.LbEndpoint")
HealthStatus: Any = _enum("envoy.config.core.v3.HealthStatus")

DeltaDiscoveryRequest: Any = _message("envoy.service.discovery.v3.DeltaDiscoveryRequest")
DeltaDiscoveryResponse: Any = _message("envoy.service.discovery.v3.DeltaDiscoveryResponse")
DiscoveryRequest: Any = _message("envoy.service.discovery.v3.DiscoveryRequest")
DiscoveryResponse: Any = _message("envoy.service.discovery.v3.DiscoveryResponse")

Cluster: Any = _message("envoy.config.cluster.v3.Cluster")
DISCOVERY_TYPES: Any = _enum("envoy.config.cluster.v3.Cluster.DiscoveryType")
API_V3: int = _enum("envoy.config.core.v3.ApiVersion")["V3"].number
LeastRequest: Any = _message("envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest")
RoundRobin: Any = _message("envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin")
WrrLocality: Any = _message("envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality")
HttpProtocolOptions: Any = _message("envoy.extensions.upstreams.http.v3.HttpProtocolOptions")
TypedStruct: Any = _message("xds.type.v3.TypedStruct")

Listener: Any = _message("envoy.config.listener.v3.Listener")
HttpConnectionManager: Any = _message(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
Router: Any = _message("envoy.extensions.filters.http.router.v3.Router")

HealthCheckRequest: Any = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse: Any = _message("grpc.health.v1.HealthCheckResponse")

OrcaLoadReport: Any = _message("xds.data.orca.v3.OrcaLoadReport")
OrcaLoadReportRequest: Any = _message("xds.service.orca.v3.OrcaLoadReportRequest")

ServiceCensus: Any = _message("trimtab.control.v1.ServiceCensus")
ServiceReadiness: Any = _message("trimtab.control.v1.ServiceReadiness")
Seat: Any = _message("trimtab.control.v1.Seat")


def type_url(message_class: Any) -> str:
    """The URL that names a message in an `Any`."""
    return f"type.googleapis.com/{message_class.DESCRIPTOR.full_name}"
