"""The control plane, running beside the pods."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ..errors import DemoError
from .child import Child

_SERVES_WITHIN_S: Final = 15.0


@asynccontextmanager
async def running_control_plane(manifests: Path, folder: Path) -> AsyncIterator[str]:
    """Start `trimtab serve` over the folder `manifests`; the address of its xDS server. Raises DemoError."""
    child = await Child.start("control-plane", folder, "trimtab.demo.lifeline", str(manifests))
    try:
        ready = await asyncio.wait_for(child.receive(), _SERVES_WITHIN_S)
        yield ready["xds"]
    except TimeoutError:
        raise DemoError(f"the control plane did not serve within {_SERVES_WITHIN_S:g} s") from None
    finally:
        await child.stop()
