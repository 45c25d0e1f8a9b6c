import subprocess
import sys
from pathlib import Path

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2

from trimtab.xds import messages

PROTOS = Path(messages.__file__).parent / "proto"


def test_the_descriptor_set_is_what_the_proto_files_say(tmp_path: Path) -> None:
    fresh = tmp_path / "xds.binpb"
    files = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.rglob("*.proto"))
    command = ["--include_imports", f"--proto_path={PROTOS}", f"--descriptor_set_out={fresh}", *files]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *command], check=True)
    assert fresh.read_bytes() == (PROTOS / "xds.binpb").read_bytes(), "run `make protos`"


@pytest.mark.parametrize(
    "real",
    [
        base_pb2.Node,
        base_pb2.Metadata,
        endpoint_components_pb2.Endpoint,
        endpoint_components_pb2.LbEndpoint,
        endpoint_components_pb2.LocalityLbEndpoints,
        endpoint_pb2.ClusterLoadAssignment,
        discovery_pb2.DiscoveryRequest,
        discovery_pb2.DiscoveryResponse,
        discovery_pb2.ResourceError,
    ],
)
def test_our_fields_are_envoys_fields(real: type) -> None:
    theirs = real.DESCRIPTOR  # type: ignore[attr-defined]
    ours = messages._POOL.FindMessageTypeByName(theirs.full_name)
    for field in ours.fields:
        twin = theirs.fields_by_name[field.name]
        assert (field.number, field.type, field.is_repeated) == (twin.number, twin.type, twin.is_repeated), field.name
