"""Shared values: what an endpoint, an assignment, a policy and a target are. Frozen, without I/O."""

from .assignment import Assignment, LocalityEndpoints
from .endpoint import Endpoint, Health, Locality
from .load_report import LoadReport
from .policy import OutlierDetection, Policy
from .target import ServiceRef

__all__ = [
    "Assignment",
    "Endpoint",
    "Health",
    "LoadReport",
    "Locality",
    "LocalityEndpoints",
    "OutlierDetection",
    "Policy",
    "ServiceRef",
]
