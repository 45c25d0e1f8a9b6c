"""Which endpoint gets this request. Pure: clock and random numbers are parameters, nothing here blocks or waits."""

from .balancer import Balancer, Tracer
from .changes import Changes
from .choice import Candidate, Choice
from .cost import Cost
from .explain import Explanation, NodeState, explain
from .node import Connectivity, Node
from .pick import Outcome, Pick
from .picker import Picker, Strategy
from .recorder import Recorder
from .registry import StrategyFactory, strategies
from .request import Request

__all__ = [
    "Balancer",
    "Candidate",
    "Changes",
    "Choice",
    "Connectivity",
    "Cost",
    "Explanation",
    "Node",
    "NodeState",
    "Outcome",
    "Pick",
    "Picker",
    "Recorder",
    "Request",
    "Strategy",
    "StrategyFactory",
    "Tracer",
    "explain",
    "strategies",
]
