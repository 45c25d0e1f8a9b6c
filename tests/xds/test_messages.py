import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import DescriptorProto

from tests.xds import envoy_messages
from trimtab.xds import messages

PROTOS = Path(messages.__file__).parent / "proto"


def test_the_descriptor_set_is_what_the_proto_files_say(tmp_path: Path) -> None:
    fresh = tmp_path / "xds.binpb"
    files = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.rglob("*.proto"))
    command = ["--include_imports", f"--proto_path={PROTOS}", f"--descriptor_set_out={fresh}", *files]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *command], check=True)
    assert fresh.read_bytes() == (PROTOS / "xds.binpb").read_bytes(), "run `make protos`"


OURS = sorted(
    {
        message.full_name
        for file in messages.FILES
        # The health protocol is gRPC's, not Envoy's; the census is our own.
        if not file.name.startswith(("google/protobuf/", "grpc/", "trimtab/"))
        for message in file.message_types_by_name.values()
    }
)


@pytest.mark.parametrize("name", OURS)
def test_our_fields_are_envoys_fields(name: str) -> None:
    assert envoy_messages.__all__, "importing them fills the default pool"
    theirs = fields_of(descriptor_pool.Default(), name)
    for field, ours in fields_of(messages.POOL, name).items():
        assert ours == theirs[field], field


def fields_of(pool: descriptor_pool.DescriptorPool, name: str) -> dict[str, tuple[int, int, int]]:
    described = DescriptorProto()
    pool.FindMessageTypeByName(name).CopyToProto(described)
    return {field.name: (field.number, field.type, field.label) for field in described.field}
