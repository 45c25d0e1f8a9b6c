"""Which of the control planes in a bootstrap to speak to, and how it stands with each (after gRFC A71). Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..xds.backoff import Backoff
from .bootstrap import ControlPlane


@dataclass(frozen=True, slots=True)
class Loss:
    """What the end of a stream comes to: what to say of it, and how long to wait before the next attempt."""

    message: str
    """Empty: it was said before."""
    wait_s: float


@dataclass(slots=True)
class _Standing:
    """How it stands with one control plane."""

    trouble: str = ""
    """Why it cannot be reached; empty: it was not tried, or has answered."""
    returns: Backoff = field(kw_only=True)
    """When to look whether it is back. Grows while it says that it serves and answers nothing."""


class ControlPlanes:
    """Tries them in order. Whoever answers is kept until it is lost, or one that comes before it is back.

    A71 falls back only while something was never received. Here whoever is there is spoken to, so that endpoints do not
    grow old: of what the next one does not know the last known state stays, and replicas of one control plane say the same.
    """

    def __init__(self, servers: Sequence[ControlPlane], rng: random.Random, now: float) -> None:
        """`now`: seconds on the monotonic clock, as everywhere here."""
        self._servers = tuple(servers)
        self._standings = [_Standing(returns=Backoff(rng)) for _ in servers]
        self._rounds = Backoff(rng)
        self._index = 0
        self._silent_since = now
        self.answering = False
        """Whether the current one has answered on the stream there is."""

    @property
    def current(self) -> ControlPlane:
        """Whose turn it is."""
        return self._servers[self._index]

    @property
    def preferred(self) -> tuple[ControlPlane, ...]:
        """Those that come before the current one."""
        return self._servers[: self._index]

    def until_look_s(self) -> float:
        """How long to wait before looking whether a preferred one is back."""
        return min(standing.returns.next_s() for standing in self._standings[: self._index])

    def answered(self) -> str:
        """The current one has answered; what to say of it, empty if nothing is new."""
        # A stream that was answered once is no failure when it ends (gRFC A57): the next wait is short.
        self._rounds.reset()
        standing = self._standings[self._index]
        standing.returns.reset()
        was_lost = not self.answering and any(each.trouble for each in self._standings)
        self.answering, standing.trouble = True, ""
        return f"control plane {self.current.uri} answers{'' if self._index else ' again'}" if was_lost else ""

    def back(self, server: ControlPlane, now: float) -> None:
        """A preferred one serves again: it is its turn."""
        self._index = self._servers.index(server)
        self.answering, self._silent_since = False, now

    def lost(self, reason: str, now: float) -> Loss:
        """The stream to the current one has ended."""
        standing, uri = self._standings[self._index], self.current.uri
        was_answering, known = self.answering, bool(standing.trouble)
        self.answering, standing.trouble = False, reason
        if was_answering:
            # Restarted or moved, most likely: ask the same one again first.
            self._silent_since = now
            return Loss(f"control plane {uri} is lost, what is known stays in use: {reason}", self._rounds.next_s())
        last = self._index == len(self._servers) - 1
        self._index = 0 if last else self._index + 1
        what_now = "which is tried again" if len(self._servers) == 1 else f"{self.current.uri} is tried next"
        message = "" if known else f"control plane {uri} cannot be reached, {what_now}: {reason}"
        return Loss(message, self._rounds.next_s() if last else 0.0)

    def describe(self, now: float) -> str:
        """How it stands and what to do about it, for an error message."""
        if self.answering:
            return (
                f"control plane {self.current.uri} is connected but has not sent this service; check that it knows the "
                "service by this name"
            )
        silent_s, several = now - self._silent_since, len(self._servers) > 1
        subject = f"control plane{'s' if several else ''} {', '.join(server.uri for server in self._servers)}"
        troubles = [
            f"{server.uri}: {standing.trouble}" if several else standing.trouble
            for server, standing in zip(self._servers, self._standings, strict=True)
            if standing.trouble
        ]
        check = f"check that {'one of them' if several else 'it'} runs and that the bootstrap names its address"
        if not troubles:
            return f"{subject} {'have' if several else 'has'} not answered for {silent_s:.1f} s; {check}"
        been = f"{'have' if several else 'has'} been unreachable for {silent_s:.1f} s"
        return f"{subject} {been}: {'; '.join(troubles)}; {check}"
