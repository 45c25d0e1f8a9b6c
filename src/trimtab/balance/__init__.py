"""Which endpoint gets this request. Pure: clock and random numbers are parameters, nothing here blocks or waits."""

from .balancer import Balancer, Changes
from .node import Connectivity, Node, Outcome, Pick
from .picker import Picker, Strategy
from .registry import strategies
from .request import Request

__all__ = [
    "Balancer",
    "Changes",
    "Connectivity",
    "Node",
    "Outcome",
    "Pick",
    "Picker",
    "Request",
    "Strategy",
    "strategies",
]
