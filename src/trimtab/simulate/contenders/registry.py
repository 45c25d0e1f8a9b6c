"""Every contender by name."""

from collections.abc import Mapping
from types import MappingProxyType

from ...balance import strategies
from ...errors import ScenarioError
from ...model import Policy
from ..chooser import Contender
from .headless_dns import HeadlessDns
from .rules import EnvoyLeastRequest, KubeProxy, ShortestQueue
from .trimtab import trimtab

_FOREIGN: Mapping[str, Contender] = MappingProxyType(
    {
        "kube-proxy": KubeProxy,
        "headless-dns": HeadlessDns,
        "envoy-least-request": EnvoyLeastRequest,
        "shortest-queue": ShortestQueue,
    }
)


def contenders() -> tuple[str, ...]:
    """What can be compared: others by their name, Trimtab by the name of a strategy."""
    return (*_FOREIGN, *sorted(strategies()))


def contender(name: str) -> Contender:
    """The contender of that name, Trimtab's with the default policy. Raises ScenarioError for an unknown name."""
    if name in _FOREIGN:
        return _FOREIGN[name]
    if name in strategies():
        return trimtab(Policy(strategy=name))
    raise ScenarioError(f"there is no contender {name!r}; known are {', '.join(contenders())}")
