"""Which labels of a Pod make subsets."""

import pytest

from trimtab.control.pod_labels import subset_labels


@pytest.mark.parametrize(
    "key", ["shard", "app", "example.com/shard", "apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name"]
)
def test_labels_that_people_chose_make_subsets(key: str) -> None:
    assert subset_labels({key: "7"}) == ((key, "7"),)


@pytest.mark.parametrize(
    "key",
    ["pod-template-hash", "controller-revision-hash", "app.kubernetes.io/name", "topology.k8s.io/x", "helm.sh/chart"],
)
def test_labels_that_tools_write_do_not(key: str) -> None:
    assert subset_labels({key: "7"}) == ()
