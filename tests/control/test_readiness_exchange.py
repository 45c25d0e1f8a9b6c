"""Replicas of the control plane that tell each other since when endpoints are ready, without a network."""

from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.control.catalogs import endpoints
from tests.control.objects import endpoint, endpoint_slice, pod, service
from trimtab.control.catalog import Catalog
from trimtab.control.kubernetes import Pod
from trimtab.control.readiness import Earlier, Readiness
from trimtab.xds.service_readiness import Identity, ServiceReadiness, Sighting, decode_readiness, encode_readiness

KEY = ("prod", "payments")


class Replica:
    """A control plane from its start on, with a clock of its own."""

    def __init__(self, name: str, now: float = 1000.0, skew_s: float = 0.0, earlier: Earlier | None = None) -> None:
        self.name = name
        self.now = now
        self._skew_s = skew_s
        self.readiness = Readiness(lambda: self.clock)
        self.readiness.remember(earlier or {})
        self.catalog = Catalog(self.readiness)
        self.catalog.apply([service()], [])

    @property
    def clock(self) -> float:
        return self.now + self._skew_s

    def look(self, pods: Iterable[str]) -> None:
        listed = [endpoint(f"10.0.0.{ord(name)}", ready=True, pod=name) for name in sorted(pods)]
        self.catalog.apply([endpoint_slice(*listed)], [])

    def at(self, now: float, pods: Iterable[str]) -> None:
        self.now = now
        self.look(pods)

    def hear(self, speaker: str, said: Mapping[Identity, Sighting]) -> None:
        if self.readiness.hear(speaker, KEY, said).dated:
            self.catalog.redate(KEY)

    @property
    def since(self) -> Mapping[str, float | None]:
        return {found.hostname: found.ready_since for found in endpoints(self.catalog)}


class Exchange:
    """Tells a replica what another one says if that is news, as subscriptions do."""

    def __init__(self, *replicas: Replica) -> None:
        self.replicas = list(replicas)
        self._told: dict[tuple[str, str], Mapping[Identity, Sighting]] = {}

    def tell(self, speaker: Replica, listener: Replica) -> bool:
        """True: there was something to tell."""
        said = speaker.readiness.told(KEY)
        if said == self._told.get((speaker.name, listener.name), {}):
            return False
        self._told[speaker.name, listener.name] = said
        encoded = encode_readiness(ServiceReadiness(speaker.name, said)).body
        listener.hear(speaker.name, decode_readiness(encoded)[1].sightings)
        return True

    def until_nobody_has_news(self) -> None:
        for _ in range(10):
            told = [self.tell(one, two) for one in self.replicas for two in self.replicas if one is not two]
            if not any(told):
                return
        raise AssertionError("they never stop")


def test_a_replica_that_started_later_takes_over_the_dates_of_the_others() -> None:
    old = Replica("old")
    old.look("a")
    old.at(1010.0, "ab")
    new = Replica("new", now=1500.0)
    new.look("ab")
    assert new.since == {"a": None, "b": None}
    Exchange(old, new).until_nobody_has_news()
    assert new.since == old.since == {"a": None, "b": 1010.0}


def test_what_was_said_before_the_first_load_holds_from_the_beginning() -> None:
    old = Replica("old")
    old.look("a")
    old.at(1010.0, "ab")
    new = Replica("new", now=1500.0)
    Exchange(old, new).tell(old, new)
    new.look("ab")
    assert new.since == {"a": None, "b": 1010.0}


def test_a_pod_that_went_and_came_back_has_its_new_date_and_the_old_one_does_not_revive() -> None:
    quick, slow = Replica("quick"), Replica("slow")
    exchange = Exchange(quick, slow)
    for replica in exchange.replicas:
        replica.look("a")
        replica.at(1010.0, "ab")
    exchange.until_nobody_has_news()
    quick.at(1100.0, "a")
    quick.at(1110.0, "ab")
    # It has heard nothing of that, and has something to say, which is of the time before.
    slow.at(1111.0, "abc")
    exchange.until_nobody_has_news()
    assert quick.since["b"] == slow.since["b"] == 1110.0


def test_what_a_replica_saw_only_after_an_outage_is_dated_by_those_that_saw_it_happen() -> None:
    seeing, blind = Replica("seeing"), Replica("blind")
    for replica in (seeing, blind):
        replica.look("a")
    blind.readiness.blind_since = 1005.0
    seeing.at(1010.0, "ab")
    blind.at(4600.0, "ab")
    assert blind.since == {"a": None, "b": 4600.0}
    Exchange(seeing, blind).until_nobody_has_news()
    assert seeing.since == blind.since == {"a": None, "b": 1010.0}


def test_what_was_kept_over_a_restart_gives_way_to_those_that_lived_through_it() -> None:
    lived = Replica("lived")
    lived.look("a")
    lived.at(1010.0, "ab")
    lived.at(1100.0, "a")
    lived.at(1110.0, "ab")
    again = Replica("again", now=1200.0, earlier={"uid-a": None, "uid-b": 1010.0})
    again.readiness.blind_since = 1050.0
    again.look("ab")
    assert again.since == {"a": None, "b": 1010.0}
    Exchange(lived, again).until_nobody_has_news()
    assert again.since == lived.since == {"a": None, "b": 1110.0}


def test_a_service_that_was_deleted_and_made_again_has_new_endpoints() -> None:
    seeing, missed = Replica("seeing"), Replica("missed")
    exchange = Exchange(seeing, missed)
    for replica in exchange.replicas:
        replica.look("a")
        replica.at(1010.0, "ab")
    seeing.now = missed.now = 1100.0
    seeing.catalog.apply([], [("Service", "prod", "payments")])
    seeing.catalog.apply([service()], [])
    exchange.until_nobody_has_news()
    assert seeing.since == missed.since == {"a": 1100.0, "b": 1100.0}


def test_what_comes_back_at_once_is_newer_than_a_clock_that_is_a_little_ahead_said() -> None:
    ahead, right = Replica("ahead", skew_s=2.0), Replica("right")
    exchange = Exchange(ahead, right)
    for replica in exchange.replicas:
        replica.look("a")
        replica.at(1010.0, "ab")
    exchange.until_nobody_has_news()
    assert right.since == {"a": None, "b": 1012.0}
    right.at(1010.5, "a")
    right.at(1011.0, "ab")
    exchange.until_nobody_has_news()
    assert ahead.since == right.since == {"a": None, "b": 1011.0}


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_clock_that_is_wrong_makes_no_pod_older_or_newer_that_others_saw_come(skew_s: float) -> None:
    right, wrong = Replica("right"), Replica("wrong", skew_s=skew_s)
    exchange = Exchange(right, wrong)
    for replica in exchange.replicas:
        replica.look("a")
        replica.at(1010.0, "ab")
    exchange.until_nobody_has_news()
    assert right.since == {"a": None, "b": 1010.0}


def test_what_pods_say_themselves_needs_no_telling() -> None:
    replica = Replica("one")
    replica.look("a")
    replica.at(1010.0, "abc")
    known = pod("b")
    replica.catalog.apply([Pod(known.metadata, ready_since=1008.0)], [])
    assert replica.since == {"a": None, "b": 1008.0, "c": 1010.0}
    assert [uid for _, _, uid in replica.readiness.told(KEY)] == ["uid-c"]


def test_what_is_told_is_encoded_once_and_anew_when_it_changes() -> None:
    replica = Replica("one")
    replica.look("a")
    assert replica.readiness.resource(KEY, "one") is None
    replica.at(1010.0, "ab")
    first = replica.readiness.resource(KEY, "one")
    assert first is not None
    assert first is replica.readiness.resource(KEY, "one")
    replica.hear("two", {identity: Sighting(1011.0, 1011.0) for identity in replica.readiness.told(KEY)})
    second = replica.readiness.resource(KEY, "one")
    replica.at(1012.0, "abc")
    third = replica.readiness.resource(KEY, "one")
    replica.at(1013.0, "a")
    assert replica.readiness.resource(KEY, "one") is None
    assert second is not None
    assert third is not None
    assert len({first.version, second.version, third.version}) == 3


PODS = "abc"
EVENTS = st.one_of(
    st.tuples(st.just("comes"), st.sampled_from(PODS), st.none()),
    st.tuples(st.just("goes"), st.sampled_from(PODS), st.none()),
    st.tuples(st.just("looks"), st.integers(0, 2), st.none()),
    st.tuples(st.just("goes blind"), st.integers(0, 2), st.none()),
    st.tuples(st.just("sees again"), st.integers(0, 2), st.none()),
    st.tuples(st.just("tells"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("restarts"), st.integers(0, 2), st.none()),
    st.tuples(st.just("is deleted and made again for"), st.integers(0, 2), st.none()),
)


class History:
    """Three replicas of different clocks that see a cluster change, each in its own time."""

    def __init__(self, skews_s: Sequence[float]) -> None:
        self.now = 1000.0
        self.truth: set[str] = set(PODS)
        self.skews_s = skews_s
        self.lives = 0
        self.exchange = Exchange(*(self.start(index) for index in range(len(skews_s))))
        self.gone_at: dict[tuple[str, str], float] = {}
        """By the replica that saw it happen, and Pod."""

    def start(self, index: int) -> Replica:
        self.lives += 1
        return Replica(f"{index}-{self.lives}", self.now, self.skews_s[index])

    def look(self, replica: Replica) -> None:
        if replica.readiness.blind_since is None:
            for name in replica.since.keys() - self.truth:
                self.gone_at[replica.name, name] = self.now
        replica.look(self.truth)

    def happen(self, event: str, what: str | int, whom: int | None) -> None:
        self.now += 0.25
        for replica in self.exchange.replicas:
            replica.now = self.now
        if isinstance(what, str):
            if event == "comes":
                self.truth.add(what)
            else:
                self.truth.discard(what)
            return
        replica = self.exchange.replicas[what]
        match event:
            case "looks":
                self.look(replica)
            case "goes blind":
                replica.readiness.blind_since = replica.readiness.blind_since or replica.clock
            case "sees again":
                # What happened meanwhile comes first.
                self.look(replica)
                replica.readiness.blind_since = None
            case "tells" if whom is not None and what != whom:
                self.exchange.tell(replica, self.exchange.replicas[whom])
            case "restarts":
                self.exchange.replicas[what] = self.start(what)
                for other in self.exchange.replicas:
                    other.hear(replica.name, {})
            case "is deleted and made again for":
                replica.catalog.apply([], [("Service", "prod", "payments")])
                replica.catalog.apply([service()], [])

    def end(self) -> None:
        for replica in self.exchange.replicas:
            self.look(replica)
        self.exchange.until_nobody_has_news()


@given(st.lists(EVENTS, max_size=40), st.tuples(*[st.sampled_from([0.0, -2.0, 2.0])] * 3))
def test_whatever_they_lived_through_replicas_that_told_each_other_agree(
    events: list[tuple[str, str | int, int | None]], skews_s: tuple[float, ...]
) -> None:
    history = History(skews_s)
    for event in events:
        history.happen(*event)
    history.end()
    first, *others = history.exchange.replicas
    for other in others:
        assert other.since == first.since
        assert other.readiness.told(KEY) == first.readiness.told(KEY)


@given(st.lists(EVENTS, max_size=40))
def test_no_pod_is_older_than_the_last_time_that_somebody_saw_it_go(
    events: list[tuple[str, str | int, int | None]],
) -> None:
    history = History([0.0, 0.0, 0.0])
    for event in events:
        history.happen(*event)
    history.end()
    alive = {replica.name for replica in history.exchange.replicas}
    since = history.exchange.replicas[0].since
    for (name, gone), at in history.gone_at.items():
        if name in alive and gone in since:
            date = since[gone]
            assert date is not None
            assert date >= at
