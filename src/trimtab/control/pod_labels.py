"""The labels of Pods by which a service has subsets (docs/adr/0016)."""

from collections.abc import Mapping

from ..model import Labels
from .kubernetes import Pod

_GENERATED = frozenset({"pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid"})
"""Written by controllers, and different with every rollout."""
_TOOLING = ("kubernetes.io", "k8s.io", "helm.sh")
"""Domains of labels that say how a Pod came to be."""
_ORDINALS = frozenset({"apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name"})
"""Which replica of a StatefulSet it is: a shard, as often as not."""


def subset_labels(labels: Mapping[str, str]) -> Labels:
    """The labels that people chose, in canonical order."""
    return tuple(sorted((key, value) for key, value in labels.items() if _chosen(key)))


def _chosen(key: str) -> bool:
    domain, slash, _ = key.rpartition("/")
    if key in _ORDINALS:
        return True
    if slash:
        return not any(domain == tooling or domain.endswith(f".{tooling}") for tooling in _TOOLING)
    return key not in _GENERATED


class PodLabels:
    """The labels of every Pod known. Pods with the same labels, as those of a Deployment, share one tuple."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], tuple[str, Labels]] = {}
        self._shared: dict[Labels, tuple[Labels, int]] = {}

    def put(self, pod: Pod) -> bool:
        """A Pod is there. True: its labels, or which Pod it is, changed."""
        key = (pod.metadata.namespace, pod.metadata.name)
        labels = subset_labels(pod.metadata.labels or {})
        if self._pods.get(key) == (pod.metadata.uid, labels):
            return False
        self.remove(*key)
        self._pods[key] = pod.metadata.uid, self._share(labels)
        return True

    def remove(self, namespace: str, name: str) -> bool:
        """A Pod is gone. True: it was known."""
        known = self._pods.pop((namespace, name), None)
        if known is None:
            return False
        first, users = self._shared[known[1]]
        if users == 1:
            del self._shared[known[1]]
        else:
            self._shared[first] = first, users - 1
        return True

    def of(self, namespace: str, name: str, uid: str) -> Labels:
        """The labels of a Pod; none for one of that name that is another. Manifests may leave the uid out."""
        known_uid, labels = self._pods.get((namespace, name), ("", ()))
        return labels if known_uid == uid or not (known_uid and uid) else ()

    def _share(self, labels: Labels) -> Labels:
        first, users = self._shared.get(labels, (labels, 0))
        self._shared[first] = first, users + 1
        return first
