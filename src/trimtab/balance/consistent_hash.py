"""Equal keys to the same node, unless that is loaded beyond its bound.

Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016): walk the ring past nodes that have more than
`bound` times the average.
"""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b

from ..model import ConsistentHash as Settings
from ..model import Policy
from .choice import Choice
from .node import Node
from .picker import Picker
from .request import Request

_POINTS = 64
"""Places on the ring of a node of the largest weight; more are fairer and slower to build."""
_PER_DIGEST = 8
_Identity = tuple[str, int, str]


class ConsistentHash:
    """Strategy `consistent_hash`: caches, sessions, prefixes of language models stay where they are warm."""

    counts_fleet = True
    spans_zones = True
    """A key's home is where the hash says, whatever its zone."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._key = _key(policy.consistent_hash)
        self._bound = policy.consistent_hash.bound
        self._rng = rng
        self._places: dict[_Identity, tuple[int, ...]] = {}
        self._rings: dict[tuple[Node, ...], _Ring] = {}

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _RingPicker(self._ring(tuple(nodes)), nodes, self._key, self._bound, self._rng)

    def _ring(self, nodes: tuple[Node, ...]) -> "_Ring":
        """Weights and places change rarely, scores always: a ring is made once."""
        weights = [node.endpoint.weight for node in nodes]
        ring = self._rings.get(nodes)
        if ring is None or ring.weights != weights:
            ring = _Ring(nodes, weights, self._places)
            # One for all nodes, one for those without a quota.
            self._rings = {**dict(list(self._rings.items())[-1:]), nodes: ring}
            self._places = {identity: self._places[identity] for r in self._rings.values() for identity in r.identities}
        return ring


class _Ring:
    def __init__(self, nodes: Sequence[Node], weights: list[int], places: dict[_Identity, tuple[int, ...]]) -> None:
        self.weights = weights
        heaviest = max(weights)
        counts = [max(1, round(_POINTS * weight / heaviest)) for weight in weights]
        self.identities = [node.endpoint.identity for node in nodes]
        owner_at: dict[int, int] = {}
        for index, (identity, count) in enumerate(zip(self.identities, counts, strict=True)):
            if identity not in places:
                places[identity] = _places(identity)
            owner_at.update(dict.fromkeys(places[identity][:count], index))
        self.places = sorted(owner_at)
        self.size = len(self.places)
        # Twice around, for those who start near the end.
        self.owners = [owner_at[place] for place in self.places] * 2


class _RingPicker:
    __slots__ = ("_bound", "_key", "_nodes", "_random", "_ring", "_shares")

    def __init__(
        self,
        ring: _Ring,
        nodes: Sequence[Node],
        key: Callable[[Request], object],
        bound: float,
        rng: random.Random,
    ) -> None:
        self._ring = ring
        self._nodes = tuple(nodes)
        self._key = key
        self._bound = bound
        self._random = rng.random
        shares = [1.0 / node.factor for node in nodes]
        bound /= sum(shares)
        self._shares = [bound * share for share in shares]

    def pick(self, request: Request) -> Node:
        return self._from(self._start(request))

    def explain(self, request: Request) -> Choice:
        """The same pick beside the key's home."""
        start = self._start(request)
        home, node = self._nodes[self._ring.owners[start]], self._from(start)
        why = "the key's home" if node is home else "the key's home has as much as it may have"
        return Choice.of(node, (home,) if node is home else (home, node), why)

    def _from(self, start: int) -> Node:
        nodes, shares, owners = self._nodes, self._shares, self._ring.owners
        fleet = nodes[0].fleet
        calls = 1 + (len(fleet) if fleet is not None else sum(len(node.outstanding) for node in nodes))
        index, end = start, start + self._ring.size
        while index < end:
            owner = owners[index]
            node = nodes[owner]
            # The paper's bound is rounded up, which changes nothing for a whole number of calls.
            if len(node.outstanding) < shares[owner] * calls and not node.held:
                return node
            index += 1
        return nodes[owners[start]]

    def _start(self, request: Request) -> int:
        """The key's place on the ring; any place for a request without a key."""
        ring, key = self._ring, self._key(request)
        if key is None:
            return int(self._random() * ring.size)
        return bisect(ring.places, _place(key if isinstance(key, bytes | str) else str(key))) % ring.size


@lru_cache(maxsize=1024)
def _place(key: bytes | str) -> int:
    return int.from_bytes(blake2b(key.encode() if isinstance(key, str) else key, digest_size=8).digest())


def _places(identity: _Identity) -> tuple[int, ...]:
    name = "\0".join(map(str, identity)).encode()
    places: list[int] = []
    for block in range(_POINTS // _PER_DIGEST):
        digest = blake2b(name, digest_size=64, salt=block.to_bytes(16)).digest()
        places += (int.from_bytes(digest[start : start + 8]) for start in range(0, 64, 8))
    return tuple(places)


def _key(settings: Settings) -> Callable[[Request], object]:
    if settings.key is not None:
        return settings.key
    name, attribute = settings.metadata.lower(), settings.attribute

    def by_name(request: Request) -> object:
        if name:
            for key, value in request.metadata:
                if key == name:
                    return value
        return request.attributes.get(attribute)

    return by_name
