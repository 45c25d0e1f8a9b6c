"""The labels of Pods by which a service has subsets (docs/adr/0016)."""

from collections.abc import Mapping

from ..model import Labels

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
