"""Shared values: what an endpoint, an assignment, a policy and a target are. Frozen, without I/O."""

from .assignment import Assignment, LocalityEndpoints
from .endpoint import Endpoint, Health, Labels, Locality
from .load_report import LoadReport
from .policy import Policy
from .policy_parts import ConsistentHash, OutlierDetection, SuccessRate, WeightedRoundRobin
from .policy_where import Shards, Subset
from .seat import Seat
from .target import ServiceRef

__all__ = [
    "Assignment",
    "ConsistentHash",
    "Endpoint",
    "Health",
    "Labels",
    "LoadReport",
    "Locality",
    "LocalityEndpoints",
    "OutlierDetection",
    "Policy",
    "Seat",
    "ServiceRef",
    "Shards",
    "Subset",
    "SuccessRate",
    "WeightedRoundRobin",
]
