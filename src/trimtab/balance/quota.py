"""The most that a new or failing node may get, whatever a strategy would like.

Strategies compare loads, and a node that was just added or fails at once has none. With few calls in flight, where loads are
0 and 1, no division makes 0 a fair share of 1; so the share is also enforced, in picks (docs/adr/0018).
"""

import itertools
import random
from collections.abc import Callable, Collection, Sequence
from heapq import heappop, heappush
from math import inf

from .fair_shares import FairShares
from .node import Node
from .success import odds

_BURST = 4.0
"""Picks that may be saved up: enough that turns missed by chance are not lost (with 1.5 a node that ramps to 0.9 got 0.7, with 4
it gets 0.85 to 0.9), too few to stampede."""
_HARMLESS = 0.8
"""With a success above it a node needs no quota: it could not get four times its fair share."""


class Quota:
    """Picks granted at a rate, relative to all picks of the balancer."""

    __slots__ = ("_granted", "_next_rate", "_rate", "_turn", "due_turn")

    def __init__(self, turn: int, head_start: float) -> None:
        """`head_start`, from 0 to 1, is how much of the first pick is already granted: random, so that many clients that see the
        same new endpoint do not call it in the same moment."""
        self._rate = self._next_rate = 0.0
        self._turn = turn
        self._granted = head_start
        self.due_turn = inf
        """The number of the first pick that the node may have."""

    def grant(self, rate: float) -> None:
        """From the next pick of the balancer on so much of a pick is granted with every one."""
        self._next_rate = rate

    def settle(self, turn: int) -> None:
        """The pick has the number `turn`: until now what was granted before holds, from now on what is granted next."""
        self._save(turn)
        if self._next_rate < self._rate and self._granted > 0.0:
            # Who fails has what is saved up only as far as it is still trusted.
            self._granted *= self._next_rate / self._rate
        self._rate = self._next_rate
        self._wait()

    def spend(self, turn: int) -> None:
        """The node has the pick with number `turn`."""
        self._save(turn)
        self._granted -= 1.0
        self._wait()

    def _save(self, turn: int) -> None:
        self._granted = min(_BURST, self._granted + (turn - self._turn) * self._rate)
        self._turn = turn

    def _wait(self) -> None:
        self.due_turn = self._turn + max(0.0, 1.0 - self._granted) / self._rate if self._rate else inf


class Rations:
    """Which of the nodes that have a quota may be picked now.

    One that may not has the score infinity, so that whoever compares scores passes it over and does not hide one that may.
    `count` and `take` are called from any thread, the others in one at a time. A turn that threads lose for a node comes back
    with the next `deal`.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.turns = itertools.count()
        """Numbers the picks."""
        self.due_turn = 0.0
        """When somebody's next pick is granted, as far as is known."""
        self.open: set[Node] = set()
        """Who may be picked, once each."""
        self._limited: Sequence[Node] | None = None
        """Who was looked at since quotas were dealt."""
        self._waiting: list[tuple[float, int, Node]] = []
        """A heap of them by the turn of their next pick."""
        self._entries = itertools.count()
        self._probed: list[Node] = []
        """Those whose turn has come, but who are probed by a call that is still under way."""

    def count(self, limited: Sequence[Node]) -> int:
        """The number of this pick. Opens the nodes that are granted one by now, of `limited`: all that have a quota and may
        take calls."""
        turn = next(self.turns)
        if turn >= self.due_turn:
            self.grant(limited, turn)
        return turn

    def grant(self, limited: Sequence[Node], turn: int) -> None:
        """What `count` does when a turn has come."""
        if limited is self._limited:
            due: Sequence[Node] = [*self._probed, *self._come(turn)]
        else:
            self._limited, self._waiting, due = limited, [], limited
            for node in limited:
                if (quota := node.quota) is not None:
                    quota.settle(turn)
        self._probed = []
        for node in due:
            if (quota := node.quota) is None:
                continue
            if quota.due_turn > turn:
                self._wait(node, quota)
            elif node not in self.open:
                # A node that never answered is probed by one call at a time.
                if node.outstanding and not node.proven:
                    self._probed.append(node)
                    continue
                self.open.add(node)
                node.held = False
                node.rescore()
        first = self._waiting[:1]
        self.due_turn = first[0][0] if first else inf

    def take(self, node: Node, turn: int) -> bool:
        """Whether `node` may have the pick with number `turn`; if so, what its quota granted is used up."""
        if (quota := node.quota) is None:
            return True
        try:
            self.open.remove(node)
        except KeyError:
            return False
        quota.spend(turn)
        self._wait(node, quota)
        self.due_turn = min(self.due_turn, quota.due_turn)
        # Whoever counts the call that follows rescores it.
        node.held = True
        return True

    def deal(self, nodes: Collection[Node], fair_shares: Callable[[], FairShares]) -> None:
        """Grant quotas where they are needed, at rates that follow from everybody's shares."""
        fair: FairShares | None = None
        for node in nodes:
            if node.ramp == 1.0 and node.success > _HARMLESS and node.proven:
                # Held without a quota: another thread took its pick while a first answer took the quota away.
                if node.quota is not None or node.held:
                    node.unlimit()
                    node.rescore()
                continue
            # Read once: a first answer takes it away in any thread.
            if (quota := node.quota) is None:
                node.quota = quota = Quota(next(self.turns), self._rng.random())
            fair = fair or fair_shares()
            most = odds(node.success)
            quota.grant(fair.of(node) * (most if node.ramp == 1.0 and node.proven else min(1.0, most)))
        self.open = {node for node in self.open.copy() if node.quota is not None}
        self._limited, self.due_turn = None, 0.0

    def hold(self, limited: Sequence[Node], *, anybody_else: bool) -> None:
        """Hold back those who may not be picked now; where there is nobody else, nobody.

        `limited` are all that have a quota and may take calls. What was granted to others is lost: they are ejected or gone,
        and must not look like the best.
        """
        for node in self.open.difference(limited):
            self.open.discard(node)
            # Without a quota it has answered since.
            if node.quota is not None:
                node.held = True
                node.rescore()
        for node in limited:
            held = anybody_else and node not in self.open
            if node.held != held:
                node.held = held
                node.rescore()

    def _wait(self, node: Node, quota: Quota) -> None:
        heappush(self._waiting, (quota.due_turn, next(self._entries), node))

    def _come(self, turn: int) -> list[Node]:
        """Those whose turn has come; they wait no longer."""
        waiting, come = self._waiting, []
        try:
            # Each step is one for other threads, who may leave nobody.
            while (first := heappop(waiting))[0] <= turn:
                come.append(first[2])
            heappush(waiting, first)
        except IndexError:
            pass
        return come
