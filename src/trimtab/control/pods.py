"""What is known of Pods: their labels, and since when they are ready."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..model import Labels
from .kubernetes import Pod
from .pod_labels import subset_labels

_CLOCKS_APART_S = 60.0
"""A Pod that says it became ready so long before it was seen to has a Node whose clock is wrong."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What an endpoint takes over from its Pod."""

    uid: str = ""
    labels: Labels = ()
    ready_since: float | None = None
    """Unix time in seconds; None: it is not ready, or does not say."""


NOTHING = PodFacts()


class Pods:
    """Every Pod known. Pods with the same labels, as those of a Deployment, share one tuple."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` is Unix time in seconds."""
        self._clock = clock
        # With the ready time in the Pod's own words.
        self._pods: dict[tuple[str, str], tuple[PodFacts, float | None]] = {}
        self._shared: dict[Labels, tuple[Labels, int]] = {}

    def put(self, pod: Pod) -> bool:
        """A Pod is there. True: its labels, which Pod it is, or since when it is ready changed."""
        key = (pod.metadata.namespace, pod.metadata.name)
        before, said_before = self._pods.get(key, (None, None))
        known = before is not None and before.uid == pod.metadata.uid
        if before is not None and known and pod.ready_since == said_before:
            ready_since = before.ready_since
        else:
            ready_since = self._plausible(pod.ready_since, witnessed=known)
        facts = PodFacts(pod.metadata.uid, subset_labels(pod.metadata.labels or {}), ready_since)
        if facts == before:
            return False
        self.remove(*key)
        self._pods[key] = replace(facts, labels=self._share(facts.labels)), pod.ready_since
        return True

    def _plausible(self, said: float | None, *, witnessed: bool) -> float | None:
        """What the Pod says, unless it cannot be: kubelets go by the clocks of their Nodes (docs/adr/0017)."""
        if said is None:
            return None
        now = self._clock()
        if witnessed and now - said > _CLOCKS_APART_S:
            return now
        return min(said, now)

    def __len__(self) -> int:
        return len(self._pods)

    def remove(self, namespace: str, name: str) -> bool:
        """A Pod is gone. True: it was known."""
        known = self._pods.pop((namespace, name), None)
        if known is None:
            return False
        labels = known[0].labels
        first, users = self._shared[labels]
        if users == 1:
            del self._shared[labels]
        else:
            self._shared[first] = first, users - 1
        return True

    def of(self, namespace: str, name: str, uid: str) -> PodFacts:
        """What is known of a Pod; nothing of one of that name that is another. Manifests may leave the uid out."""
        known = self._pods.get((namespace, name), (NOTHING, None))[0]
        return known if known.uid == uid or not (known.uid and uid) else NOTHING

    def _share(self, labels: Labels) -> Labels:
        first, users = self._shared.get(labels, (labels, 0))
        self._shared[first] = first, users + 1
        return first
