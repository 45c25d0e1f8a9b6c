"""The protobuf messages of the xDS subset in `proto/`, loaded into a descriptor pool of their own.

A private pool because generated code pins the user's protobuf runtime, and because a process may well hold Envoy's own
protos too: in the shared pool two files of one name clash (docs/adr/0003). Only the codecs of this package touch these
classes; everyone else sees dataclasses.
"""

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

__all__ = ["ClusterLoadAssignment", "DecodeError", "DiscoveryRequest", "DiscoveryResponse", "HealthStatus"]


def _load_pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    blob = resources.files(__package__).joinpath("proto/xds.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(blob).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _load_pool()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


# Any: classes made at run time have no static type. The codecs are the only users, and tests check them against the
# real Envoy messages.
ClusterLoadAssignment: Any = _message("envoy.config.endpoint.v3.ClusterLoadAssignment")
DiscoveryRequest: Any = _message("envoy.service.discovery.v3.DiscoveryRequest")
DiscoveryResponse: Any = _message("envoy.service.discovery.v3.DiscoveryResponse")
HealthStatus: Any = _POOL.FindEnumTypeByName("envoy.config.core.v3.HealthStatus").values_by_name
