"""What the control plane says beside the resources, with every response: `control_plane.identifier` is
`trimtab t=1732500000.12 seen=4711 zone=eu-central-1a`.

The time, because endpoints say since when they are ready by the control plane's clock, and a client whose own clock runs apart
must not take a pod for older or younger than it is. The zone, because the control plane knows where a client runs, by its Node
or its Pod, and the client need not. And how much of what happens in the cluster its answers include: the client brings that along
to the next control plane, as `SEEN`, and one that knows less does not roll it back (docs/adr/0026).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from .wire import delimited, text

_CONTROL_PLANE = 6
"""Field of a state-of-the-world DiscoveryResponse."""
_STEPS_PER_S = 100
_FORM = re.compile(r"trimtab t=(\d+(?:\.\d+)?)(?: seen=(\d{1,20}))?(?: zone=(.+))?")
SEEN = "SEEN"
"""Key of the node metadata in which a client says what it has seen."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a control plane tells one client."""

    unix_s: float
    """The control plane's clock when it sent this."""
    zone: str = ""
    """Where the client runs; empty: unknown."""
    seen: int = 0
    """The resource version of the newest change that is in its answers; 0: not known."""


def encode_identifier(unix_s: float, zone: str = "", seen: int = 0) -> bytes:
    """The field of a DiscoveryResponse that holds it, to a hundredth of a second; it may be joined to the rest of a response."""
    return _encode(round(unix_s * _STEPS_PER_S), zone, seen)


# A change goes to a thousand streams within a few hundredths of a second.
@lru_cache(maxsize=64)
def _encode(steps: int, zone: str, seen: int) -> bytes:
    version = f" seen={seen}" if seen else ""
    suffix = f" zone={zone}" if zone else ""
    return delimited(_CONTROL_PLANE, text(1, f"trimtab t={steps / _STEPS_PER_S:.2f}{version}{suffix}"))


def read_identifier(identifier: str) -> Identifier | None:
    """What an identifier says; None: it is not one of ours."""
    match = _FORM.fullmatch(identifier)
    return Identifier(float(match[1]), match[3] or "", int(match[2] or 0)) if match else None
