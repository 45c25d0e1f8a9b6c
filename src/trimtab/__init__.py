"""Client-side load balancing for Kubernetes: `trimtab.channel` and `trimtab.aio.channel` pick an endpoint per request."""

import importlib
from typing import TYPE_CHECKING, Any

from .errors import (
    BootstrapError,
    ControlPlaneUnreachable,
    ForkError,
    ManifestError,
    NoEndpoints,
    PolicyError,
    ProtocolError,
    ServiceNotFound,
    TargetError,
    TooManyRequests,
    TrimtabError,
    Unavailable,
)

if TYPE_CHECKING:
    from . import aio
    from .balance import Cost
    from .client.attributes import attributes
    from .client.sync import channel
    from .model import Endpoint, Policy

__all__ = [
    "BootstrapError",
    "ControlPlaneUnreachable",
    "Cost",
    "Endpoint",
    "ForkError",
    "ManifestError",
    "NoEndpoints",
    "Policy",
    "PolicyError",
    "ProtocolError",
    "ServiceNotFound",
    "TargetError",
    "TooManyRequests",
    "TrimtabError",
    "Unavailable",
    "aio",
    "attributes",
    "channel",
]

# Loaded on first use: the control plane, which lives in the same package, needs none of it.
_LAZY = {
    "Cost": "trimtab.balance",
    "Endpoint": "trimtab.model",
    "Policy": "trimtab.model",
    "attributes": "trimtab.client.attributes",
    "channel": "trimtab.client.sync",
}


def __getattr__(name: str) -> Any:
    if name == "aio":
        return importlib.import_module("trimtab.aio")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value
