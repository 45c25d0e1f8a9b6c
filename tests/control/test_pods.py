"""What is kept of Pods, and since when they are ready."""

import msgspec
import pytest

from tests.control.objects import pod
from trimtab.control.kubernetes import Metadata, Pod
from trimtab.control.pods import Pods

NOW = 1_800_000_000.0


def test_pods_with_equal_labels_share_them() -> None:
    known = Pods()
    for name in ("a", "b"):
        known.put(pod(name, shard="7", app="payments"))
    assert known.of("prod", "a", "uid-a").labels is known.of("prod", "b", "uid-b").labels
    assert known.of("prod", "a", "uid-a").labels == (("app", "payments"), ("shard", "7"))
    for name in ("a", "b"):
        assert known.remove("prod", name)
    assert known.of("prod", "a", "uid-a").labels == ()
    assert not known._shared


def test_only_what_matters_is_a_change() -> None:
    known = Pods()
    assert known.put(pod("a", shard="7"))
    assert not known.put(Pod(Metadata("a", "prod", labels={"shard": "7", "pod-template-hash": "x"}, uid="uid-a")))
    assert known.put(pod("a", shard="8"))
    assert known.put(pod("a", uid="another", shard="8"))
    assert not known.remove("prod", "b")


def test_a_pod_of_the_same_name_that_is_another_has_no_say() -> None:
    known = Pods()
    known.put(pod("a", uid="old", shard="7"))
    assert known.of("prod", "a", "new").labels == ()
    assert known.of("prod", "a", "").labels == (("shard", "7"),)


def ready(since: float | None, uid: str = "uid-a") -> Pod:
    return msgspec.structs.replace(pod("a", uid=uid), ready_since=since)


def since(known: Pods) -> float | None:
    return known.of("prod", "a", "").ready_since


@pytest.mark.parametrize("said", [NOW, NOW - 3600])
def test_a_pod_that_is_found_ready_is_as_old_as_it_says(said: float) -> None:
    known = Pods(lambda: NOW)
    known.put(ready(said))
    assert since(known) == said


def test_a_pod_from_the_future_is_new() -> None:
    known = Pods(lambda: NOW)
    known.put(ready(NOW + 3600))
    assert since(known) == NOW


def test_a_pod_that_is_seen_to_become_ready_is_new_whatever_the_clock_of_its_node_says() -> None:
    known = Pods(lambda: NOW)
    known.put(ready(None))
    assert since(known) is None
    assert known.put(ready(NOW - 3600))
    assert since(known) == NOW


def test_every_replica_says_the_same_of_a_node_whose_clock_is_right() -> None:
    seen, found = Pods(lambda: NOW), Pods(lambda: NOW + 600)
    for known in (seen, found):
        if known is seen:
            known.put(ready(None))
        known.put(ready(NOW - 1))
        assert since(known) == NOW - 1


def test_what_was_understood_once_stays_until_the_pod_says_something_else() -> None:
    now = [NOW]
    known = Pods(lambda: now[0])
    known.put(ready(NOW + 100))
    now[0] = NOW + 50
    assert not known.put(ready(NOW + 100))
    assert since(known) == NOW
    known.put(ready(None))
    now[0] = NOW + 200
    known.put(ready(NOW + 195))
    assert since(known) == NOW + 195


def test_another_pod_of_the_same_name_was_not_seen_to_become_ready() -> None:
    known = Pods(lambda: NOW)
    known.put(ready(None))
    known.put(ready(NOW - 3600, uid="another"))
    assert since(known) == NOW - 3600
