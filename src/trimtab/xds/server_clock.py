"""The control plane's clock, told with every response: `control_plane.identifier` is `trimtab t=1732500000.123`.

Endpoints say since when they are ready, by the control plane's clock. A client whose own clock runs apart must not take a pod for
older or younger than it is, so it learns how far the clocks are apart from the response itself.
"""

import re

from .wire import delimited, text

_CONTROL_PLANE = 6
"""Field of a state-of-the-world DiscoveryResponse."""
_READING = re.compile(r"trimtab t=(\d+(?:\.\d+)?)")


def encode_clock(unix_s: float) -> bytes:
    """The field of a DiscoveryResponse that tells the time; it may be joined to the rest of an encoded response."""
    return delimited(_CONTROL_PLANE, text(1, f"trimtab t={unix_s:.3f}"))


def read_clock(identifier: str) -> float | None:
    """The time that a control plane's identifier tells, in Unix seconds; None: it tells none."""
    match = _READING.fullmatch(identifier)
    return float(match[1]) if match else None
