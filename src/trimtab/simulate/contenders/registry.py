"""Every contender by name."""

from collections.abc import Mapping
from types import MappingProxyType

from ...balance import strategies
from ...errors import PolicyError, ScenarioError
from ...model import Policy
from ..chooser import Contender
from ..scenario import Contestant
from .headless_dns import HeadlessDns
from .rules import EnvoyLeastRequest, KubeProxy, ShortestQueue
from .trimtab import trimtab
from .zone_aware import EnvoyZoneAware

_FOREIGN: Mapping[str, Contender] = MappingProxyType(
    {
        "kube-proxy": KubeProxy,
        "headless-dns": HeadlessDns,
        "envoy-least-request": EnvoyLeastRequest,
        "envoy-zone-aware": EnvoyZoneAware,
        "shortest-queue": ShortestQueue,
    }
)


def contenders() -> tuple[str, ...]:
    """What can be compared: others by their name, Trimtab by the name of a strategy."""
    return (*_FOREIGN, *sorted(strategies()))


def named(contestant: str | Contestant) -> tuple[str, Contender]:
    """What a scenario or a command line calls a contender, and the contender. Raises ScenarioError."""
    if isinstance(contestant, str):
        return contestant, contender(contestant)
    if contestant.use is not None:
        return contestant.name, contender(contestant.use)
    try:
        policy = Policy.from_mapping(contestant.policy)
    except PolicyError as error:
        raise ScenarioError(f"contender {contestant.name!r}: {error}") from error
    if policy.strategy not in strategies():
        known = ", ".join(sorted(strategies()))
        raise ScenarioError(
            f"contender {contestant.name!r}: policy.strategy: there is no {policy.strategy!r}; known are {known}"
        )
    if policy.mode == "passthrough":
        # Trimtab then hands the service to gRPC's own DNS and round robin.
        return contestant.name, HeadlessDns
    return contestant.name, trimtab(policy)


def contender(name: str) -> Contender:
    """The contender of that name, Trimtab's with the default policy. Raises ScenarioError for an unknown name."""
    if name in _FOREIGN:
        return _FOREIGN[name]
    if name in strategies():
        return trimtab(Policy(strategy=name))
    raise ScenarioError(f"there is no contender {name!r}; known are {', '.join(contenders())}")
