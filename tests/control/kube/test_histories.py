"""Random histories of a cluster, with everything that can happen to a watch. What is served must be what a plain model says."""

import asyncio
import random

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.control.kube.cluster_model import Deployment, pod, served, truth
from tests.control.kube.fake_api_server import fake_api_server
from tests.control.kube.fake_store import Change, Expired, FakeStore, encode
from tests.control.kube.following import following
from tests.control.kube.json_objects import Json, endpoint_slice, service
from trimtab.control.catalog import Catalog
from trimtab.control.kube.kinds import SERVICES, SLICES, Kind
from trimtab.control.kube.line_buffer import LineBuffer
from trimtab.control.kube.messages import Failure, read_event, read_page
from trimtab.control.kube.reflector import News, Reflector
from trimtab.control.kube.withdrawal_guard import GuardSettings, WithdrawalGuard
from trimtab.xds.version import assignment_version

NAMES = ("a", "b", "c")


class Line:
    """One reflector and the bytes between it and the server, which may be cut anywhere."""

    def __init__(self, kind: Kind, store: FakeStore, seed: int) -> None:
        self.reflector = Reflector(random.Random(seed), page_size=2)
        self._kind = kind
        self._store = store
        self._can_stream = seed % 2 == 0
        self._pages: list[Json] = []

    def exchange(self, cut: int | None) -> list[News]:
        """One request and its answer, of which only `cut` bytes arrive."""
        ask = self.reflector.ask()
        if not ask.stream:
            return self._page("continue" in ask.query, cut)
        if "sendInitialEvents" in ask.query:
            if not self._can_stream:
                self.reflector.failed(Failure("Invalid", 422))
                return []
            lines = [self._line("ADDED", item) for item in self._items()]
            end = {"resourceVersion": str(self._store.revision), "annotations": {"k8s.io/initial-events-end": "true"}}
            return self._stream([*lines, self._line("BOOKMARK", {"metadata": end})], cut)
        try:
            changes = list(self._store.since(int(ask.query["resourceVersion"])))
        except Expired:
            self.reflector.failed(Failure("too old", 410))
            return []
        return self._stream([self._event(change) for change in changes if change.resource == self._kind.resource], cut)

    def _page(self, goes_on: bool, cut: int | None) -> list[News]:
        if not goes_on:
            self._pages = self._items()
            self._version = str(self._store.revision)
        if cut is not None:
            self.reflector.failed(Failure("reset by peer"))
            return []
        items, self._pages = self._pages[:2], self._pages[2:]
        metadata = {"resourceVersion": self._version, "continue": "more" if self._pages else ""}
        news = self.reflector.page(read_page(self._kind, encode({"items": items, "metadata": metadata})))
        return [] if news is None else [news]

    def _stream(self, lines: list[bytes], cut: int | None) -> list[News]:
        data = b"".join(lines)[:cut]
        buffer, found = LineBuffer(), []
        for start in range(0, len(data), 700):
            events = [read_event(self._kind, line) for line in buffer.feed(data[start : start + 700])]
            if (news := self.reflector.events(events)) is not None:
                found.append(news)
        self.reflector.failed(Failure("reset by peer")) if cut is not None else self.reflector.ended(0.0)
        return found

    def _items(self) -> list[Json]:
        return list(self._store.list(self._kind.resource, "", ""))

    def _event(self, change: Change) -> bytes:
        return self._line(change.type, change.item)

    def _line(self, type_: str, item: Json) -> bytes:
        return encode({"type": type_, "object": item}) + b"\n"


class World:
    """A server, two reflectors, a guard and a catalog."""

    def __init__(self, seed: int, guard: GuardSettings) -> None:
        self.store = FakeStore()
        self.lines = [Line(SERVICES, self.store, seed), Line(SLICES, self.store, seed)]
        self.guard = WithdrawalGuard(guard)
        self.catalog = Catalog()
        self._now = 0.0

    def exchange(self, which: int, cut: int | None) -> None:
        for news in self.lines[which].exchange(cut):
            self._now += 1.0
            self.catalog.apply(*self.guard.take(news.upserts, news.deletes, self._now))

    def catch_up(self) -> None:
        """Let both sides talk in peace for a while."""
        for _ in range(20):
            for which in range(2):
                self.exchange(which, None)


numbers = st.integers(0, 9)
pods = st.dictionaries(numbers, st.integers(0, 3), max_size=4)
steps = st.one_of(
    st.tuples(st.just("service"), st.sampled_from(NAMES)),
    st.tuples(st.just("no service"), st.sampled_from(NAMES)),
    st.tuples(st.just("slice"), st.sampled_from(NAMES), st.integers(0, 1), pods),
    st.tuples(st.just("no slice"), st.sampled_from(NAMES), st.integers(0, 1)),
    st.tuples(st.just("forget")),
    st.tuples(st.just("exchange"), st.integers(0, 1), st.none() | st.integers(0, 2500)),
)


def happen(world: World, step: tuple[object, ...]) -> None:
    store = world.store
    match step:
        case ("service", str(name)):
            store.put(service(name))
        case ("no service", str(name)) if ("prod", name) in store.objects["services"]:
            store.delete("services", "prod", name)
        case ("slice", str(name), int(index), dict(found)):
            # Slices are the service's own, as a controller names them, so Pods of one service meet in two of them.
            endpoints = [pod(number, state) for number, state in found.items()]
            store.put(endpoint_slice(*endpoints, name=f"{name}-{index}", of=name))
        case ("no slice", str(name), int(index)) if ("prod", f"{name}-{index}") in store.objects["endpointslices"]:
            store.delete("endpointslices", "prod", f"{name}-{index}")
        case ("forget",):
            store.compact()
        case ("exchange", int(which), cut):
            world.exchange(which, cut)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 3), st.lists(steps, max_size=40), st.booleans())
def test_whatever_happens_in_the_end_the_truth_is_served(
    seed: int, history: list[tuple[object, ...]], guarded: bool
) -> None:
    world = World(seed, GuardSettings() if guarded else GuardSettings(share=1.0))
    for step in history:
        happen(world, step)
    world.catch_up()
    if world.guard.second_look_in_s(1e9) is not None:
        for line in world.lines:
            line.reflector.look_again()
        world.catch_up()
        world.catalog.apply(*world.guard.release())
    assert served(world.catalog) == truth(world.store)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=40), st.integers(0, 3), st.integers(0, 3))
def test_however_two_replicas_came_to_know_it_they_serve_the_same(
    history: list[tuple[object, ...]], first_seed: int, second_seed: int
) -> None:
    """One has followed it all, the other has just been started."""
    guard = GuardSettings(share=1.0)
    old = World(first_seed, guard)
    for step in history:
        happen(old, step)
    old.catch_up()
    new = World(second_seed, guard)
    new.store = old.store
    new.lines = [Line(SERVICES, old.store, second_seed), Line(SLICES, old.store, second_seed)]
    new.catch_up()
    versions = [
        {str(port.ref): assignment_version(port.assignment) for port in world.catalog.service_ports()}
        for world in (old, new)
    ]
    assert versions[0] == versions[1]


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.timeout(120)
async def test_a_full_day_of_watch_in_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 events, a disconnect every 50, lost history now and then. Pods that were ready all day were served all day."""
    monkeypatch.setattr("trimtab.xds.backoff.INITIAL_S", 0.005)
    rng = random.Random(20261125)
    deployments = [Deployment(f"s{n}", n * 1000, rng) for n in range(8)]
    start = [item for one in deployments for item in (service(one.name), *one.slices())]
    # Time goes by with what happens: on a busy machine anything may pass between two events.
    time = Time()
    async with fake_api_server(*start) as api, following(api.url, clock=time) as follower:
        steady = {
            (f"{one.name}.prod:8080", pod(number)["addresses"][0]) for one in deployments for number in one.steady
        }
        events = disconnects = 0
        while events < 10_000:
            changed = rng.choice(deployments).step()
            for item in changed:
                api.put(item)
                time.now_s += 0.001
                await asyncio.sleep(0)
            events += len(changed)
            if events // 50 > disconnects:
                disconnects += 1
                if disconnects % 10 == 0:
                    api.forget()
                (api.cut, api.end)[disconnects % 2]()
                # Until the watches are back, so that each of the disconnects is one.
                await follower.until(lambda: api.watches >= 3)
        time.now_s += 10.0
        await follower.until(lambda: served(follower.catalog) == truth(api.store))
        assert disconnects == 200
        assert not steady & follower.withdrawn
