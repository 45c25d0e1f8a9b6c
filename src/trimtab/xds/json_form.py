"""Resources as protobuf JSON, the form in which people read xDS and Envoy reads it from a file."""

from typing import Any

from google.protobuf import json_format

from . import messages
from .resource_type import CLUSTERS, ENDPOINTS, LISTENERS
from .wire import text

_CLASSES = {CLUSTERS: messages.Cluster, ENDPOINTS: messages.ClusterLoadAssignment, LISTENERS: messages.Listener}


def resource_json(type_url: str, name: str, body: bytes) -> dict[str, Any]:
    """A resource from its body, which is encoded without its name; fields are called as in the .proto files."""
    message = _CLASSES[type_url].FromString(text(1, name) + body)
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=messages.POOL)
    return {"@type": type_url, **fields}
