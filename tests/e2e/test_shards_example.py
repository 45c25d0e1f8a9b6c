"""The example of a sharded service, run as its first lines say."""

import asyncio
import sys
from asyncio.subprocess import PIPE

from tests.e2e.control_plane import control_plane
from tests.e2e.process import PATIENCE_S, ROOT, started

EXAMPLE = ROOT / "examples" / "shards"


async def called(control_plane: str, shard: str) -> str:
    """What the example prints."""
    async with started(sys.executable, str(EXAMPLE / "client.py"), control_plane, shard, stdout=PIPE) as process:
        out, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def test_a_shard_its_fallback_and_a_shard_that_nobody_has() -> None:
    async with control_plane(EXAMPLE) as serving:
        seven = await called(serving.xds, "7")
        assert "from the control plane; shards by shard" in seven
        assert "127.0.0.1:50051 shard 7 priority 0" in seven
        assert "127.0.0.9:50051 shard 7 priority 1 payments.dr:8080" in seven
        nobody = await called(serving.xds, "9")
        assert "no endpoint has the label shard=9; there are shard=7, 8" in nobody
