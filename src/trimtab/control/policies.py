"""The policy of each service: what its annotation says, over what its namespace is given. Mistakes keep the last good one."""

from dataclasses import dataclass
from difflib import get_close_matches

import yaml

from ..balance import strategies
from ..errors import PolicyError
from ..model import Policy
from .kubernetes import POLICY_ANNOTATION
from .policy_defaults import Fields, PolicyDefaults, merged
from .references import ServiceKey
from .yaml_data import read_document


@dataclass(frozen=True, slots=True)
class _Good:
    """The last annotation of a service without a mistake, and what came of it."""

    fields: Fields
    policy: Policy


class Policies:
    """By service. Services without an annotation cost nothing."""

    def __init__(self, defaults: PolicyDefaults) -> None:
        self.defaults = defaults
        self._good: dict[ServiceKey, _Good] = {}
        self.problems: dict[ServiceKey, str] = {}
        """Services whose annotation is wrong; their last good one stays in use."""
        self.notes: dict[ServiceKey, str] = {}
        """Services whose annotation is right, and maybe not what was meant."""

    def of(self, service: ServiceKey, annotation: str | None) -> Policy:
        """The policy of a service with this annotation; None: it has none."""
        if annotation is None:
            self.forget(service)
            return self.defaults.policy(service[0])
        try:
            fields = _read(annotation)
            good = _Good(fields, self._over_defaults(service, fields))
        except (yaml.YAMLError, PolicyError) as error:
            self.problems[service] = f"service {service[0]}/{service[1]}: annotation {POLICY_ANNOTATION}: {error}"
            return self._last_good(service)
        self.problems.pop(service, None)
        self._good[service] = good
        self._note(service, good.policy)
        return good.policy

    def forget(self, service: ServiceKey) -> None:
        """The service, or its annotation, is gone."""
        self._good.pop(service, None)
        self.problems.pop(service, None)
        self.notes.pop(service, None)

    def _note(self, service: ServiceKey, policy: Policy) -> None:
        """Strategies are installed with clients, so an unknown one is no mistake here."""
        self.notes.pop(service, None)
        if (name := str(policy.strategy)) not in (known := strategies()):
            close = get_close_matches(name, known, 1)
            meant = f", did you mean {close[0]}?" if close else f" ({', '.join(sorted(known))})."
            self.notes[service] = (
                f"service {service[0]}/{service[1]}: policy.strategy {name!r} is not one of ours{meant} Clients that have "
                "no strategy of that name installed keep the policy they had"
            )

    def _last_good(self, service: ServiceKey) -> Policy:
        good = self._good.get(service)
        if good is None:
            return self.defaults.policy(service[0])
        try:
            return self._over_defaults(service, good.fields)
        except PolicyError:
            # Good by itself, and with the defaults of its time, but not with those of today.
            return good.policy

    def _over_defaults(self, service: ServiceKey, fields: Fields) -> Policy:
        return Policy.from_mapping(merged(self.defaults.of(service[0]), fields))


def _read(annotation: str) -> Fields:
    fields = read_document(annotation)
    # By itself first, so that a message is about what was written there. Raises PolicyError if it is no mapping.
    Policy.from_mapping(fields)
    checked: Fields = fields
    return checked
