"""Which labels of a Pod make subsets, and what of them is kept."""

import pytest

from tests.control.objects import pod
from trimtab.control.kubernetes import Metadata, Pod
from trimtab.control.pod_labels import PodLabels, subset_labels


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


def test_pods_with_equal_labels_share_them() -> None:
    known = PodLabels()
    for name in ("a", "b"):
        known.put(pod(name, shard="7", app="payments"))
    assert known.of("prod", "a", "uid-a") is known.of("prod", "b", "uid-b")
    assert known.of("prod", "a", "uid-a") == (("app", "payments"), ("shard", "7"))
    for name in ("a", "b"):
        assert known.remove("prod", name)
    assert known.of("prod", "a", "uid-a") == ()
    assert not known._shared


def test_only_what_matters_is_a_change() -> None:
    known = PodLabels()
    assert known.put(pod("a", shard="7"))
    assert not known.put(Pod(Metadata("a", "prod", labels={"shard": "7", "pod-template-hash": "x"}, uid="uid-a")))
    assert known.put(pod("a", shard="8"))
    assert known.put(pod("a", uid="another", shard="8"))
    assert not known.remove("prod", "b")


def test_a_pod_of_the_same_name_that_is_another_has_no_say() -> None:
    known = PodLabels()
    known.put(pod("a", uid="old", shard="7"))
    assert known.of("prod", "a", "new") == ()
    assert known.of("prod", "a", "") == (("shard", "7"),)
