import pytest

from tests.simulate import fleets
from trimtab.balance import strategies
from trimtab.errors import ScenarioError
from trimtab.simulate.contenders import contender, contenders
from trimtab.simulate.pod import Pod
from trimtab.simulate.timeline import Timeline


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.mark.parametrize("name", contenders())
def test_every_contender_chooses_among_the_pods_that_are_up(name: str, timeline: Timeline) -> None:
    pods = fleets.pods(5, timeline)
    chooser = fleets.chooser(contender(name), pods, timeline)
    assert chooser.pick(fleets.REQUEST) is None, "nobody is known yet"
    chooser.update(fleets.assignment(pods))
    pods[2].close()
    chooser.pod_changed(pods[2])
    counts = fleets.chosen(chooser, 200)
    assert 2 not in counts
    assert counts.keys() <= {0, 1, 3, 4}


@pytest.mark.parametrize("name", contenders())
def test_a_seed_gives_the_same_choices(name: str, timeline: Timeline) -> None:
    pods = fleets.pods(6, timeline)

    def choices(seed: int) -> list[int]:
        chooser = fleets.chooser(contender(name), pods, timeline, seed)
        chooser.update(fleets.assignment(pods))
        return [fleets.take(chooser) for _ in range(50)]

    assert choices(3) == choices(3)


def test_every_strategy_of_ours_is_a_contender() -> None:
    assert set(strategies()) <= set(contenders())


def test_an_unknown_contender_is_refused() -> None:
    with pytest.raises(ScenarioError, match="no contender 'nginx'; known are kube-proxy"):
        contender("nginx")


def test_kube_proxy_stays_with_its_pod_until_that_is_gone(timeline: Timeline) -> None:
    pods = fleets.pods(4, timeline)
    chooser = fleets.chooser(contender("kube-proxy"), pods, timeline)
    chooser.update(fleets.assignment(pods[:2]))
    [first] = fleets.chosen(chooser, 50)
    chooser.update(fleets.assignment(pods))
    assert fleets.chosen(chooser, 50).keys() == {first}
    pods[first].crash()
    chooser.pod_changed(pods[first])
    [second] = fleets.chosen(chooser, 50)
    assert second != first


def test_dns_is_asked_again_only_when_a_connection_broke_and_not_too_often(timeline: Timeline) -> None:
    pods = fleets.pods(4, timeline)
    chooser = fleets.chooser(contender("headless-dns"), pods, timeline)
    chooser.update(fleets.assignment(pods[:2]))
    chooser.update(fleets.assignment(pods))
    assert fleets.chosen(chooser, 40) == {0: 20, 1: 20}, "new pods are in DNS, but nobody asked"
    timeline.run(10.0)
    pods[0].crash()
    chooser.pod_changed(pods[0])
    chooser.update(fleets.assignment(pods[1:]))
    timeline.run(29.9)
    assert fleets.chosen(chooser, 40).keys() == {1}
    timeline.run(30.0)
    assert fleets.chosen(chooser, 60) == {1: 20, 2: 20, 3: 20}


def test_envoy_may_compare_a_pod_with_itself(timeline: Timeline) -> None:
    pods = fleets.pods(2, timeline)
    chooser = fleets.chooser(contender("envoy-least-request"), pods, timeline)
    chooser.update(fleets.assignment(pods))
    busy = chooser.pick(fleets.REQUEST)
    assert busy is not None
    pod = busy.node.transport
    assert isinstance(pod, Pod)
    # Both draws are the busy one in a quarter of all picks; two distinct ones would never choose it.
    share = fleets.chosen(chooser, 20_000)[pod.index] / 20_000
    assert share == pytest.approx(0.25, abs=0.015)


def test_the_shortest_queue_is_the_pods_own_not_the_clients(timeline: Timeline) -> None:
    pods = fleets.pods(3, timeline)
    chooser = fleets.chooser(contender("shortest-queue"), pods, timeline)
    chooser.update(fleets.assignment(pods))
    pods[0].load = 2
    pods[1].load = 1
    assert fleets.chosen(chooser, 20).keys() == {2}
    pods[2].load = 1
    assert fleets.chosen(chooser, 200).keys() == {1, 2}
