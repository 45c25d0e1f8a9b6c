"""Where a channel's calls go: to what the control plane says, or past it, to what DNS says.

Plain DNS takes over in two cases: the policy says so (`mode: passthrough`), or no control plane was ever reached and the channel was
given a `fallback`. gRPC itself resolves and balances then, behind one endpoint whose address is a gRPC target. All that surrounds a
call stays as it is, so the way there and back loses none.
"""

import time

from ..model import Assignment, Endpoint, Locality, LocalityEndpoints, Policy, ServiceRef

FALLBACK_AFTER_S = 5.0
"""How long a control plane may take to be reached before the channel's fallback is used."""
_HERE = "dns"
"""A zone that client and endpoint share: where DNS leads is no matter of zones."""


class Whereabouts:
    """What is known, and what follows from it."""

    def __init__(self, name: str, fallback: str | None) -> None:
        self._name = name
        self._ref = ServiceRef.parse(name)
        self.fallback = fallback
        self.assignment: Assignment | None = None
        """What the control plane said last; None: nothing yet."""
        self.fell_back = False
        """The fallback is in use until the control plane says something."""

    def heard(self, assignment: Assignment) -> None:
        """The control plane said where the endpoints are."""
        self.assignment, self.fell_back = assignment, False

    def plain(self, policy: Policy) -> str | None:
        """The target for plain gRPC; None: calls are balanced."""
        if policy.mode == "passthrough":
            return None if self._of_a_part_only(policy) else f"dns:///{policy.dns or self._ref.whole}"
        return self.fallback if self.fell_back else None

    def current(self, policy: Policy) -> Assignment | None:
        """The endpoints that calls may go to now; None: that is not known."""
        if (target := self.plain(policy)) is not None:
            return _plain_assignment(self._name, target)
        if policy.mode == "passthrough":
            return Assignment(self._name)
        return self.assignment

    @property
    def stale_s(self) -> float | None:
        """For how long nobody has stood by what is known, if it is from disk; None: it is not."""
        confirmed_at = None if self.assignment is None else self.assignment.confirmed_at
        return None if confirmed_at is None else max(0.0, time.time() - confirmed_at)

    def describe(self, policy: Policy) -> str:
        """Whence the endpoints are, for people."""
        if policy.mode == "passthrough":
            return f"plain gRPC to {self.plain(policy) or 'nowhere'}: policy.mode is passthrough"
        if self.fell_back:
            return f"plain gRPC to {self.fallback}: no control plane was ever reached"
        if self.assignment is None:
            return "nothing is known yet"
        return "the control plane" if self.stale_s is None else f"disk, {self.stale_s:.0f} s old"

    def nowhere(self, policy: Policy) -> str:
        """Why plain DNS leads nowhere; empty: it does not, or is not asked."""
        if policy.mode != "passthrough" or not self._of_a_part_only(policy):
            return ""
        return (
            f"policy.mode is passthrough, and DNS does not know which endpoints have the label {'='.join(self._ref.subset or ())}. Call the whole service, or set "
            "`unmatched: any` in policy.shards"
        )

    def _of_a_part_only(self, policy: Policy) -> bool:
        return self._ref.subset is not None and (policy.shards is None or policy.shards.unmatched != "any")


def _plain_assignment(name: str, target: str) -> Assignment:
    group = LocalityEndpoints(Locality(zone=_HERE), (Endpoint(target, 0, hostname=target),))
    return Assignment(name, (group,), client_zone=_HERE)
