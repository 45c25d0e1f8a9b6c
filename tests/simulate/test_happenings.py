from tests.simulate.fleets import scenario
from trimtab.simulate.event import Crash, Outage, Roll, Slow, Start
from trimtab.simulate.happenings import happenings


def told(*events: object) -> list[tuple[float, str]]:
    return [(moment.at_s, moment.what) for moment in happenings(scenario(events=events))]


def test_events_are_told_in_words() -> None:
    assert told(Slow(at_s=1, until_s=2, pods="pod", factor=5.0)) == [(1, "pod 5× slower"), (2, "pod 5× slower: over")]
    assert told(Crash(at_s=3, zone="a"), Start(at_s=4), Roll(at_s=5), Outage(at_s=6, until_s=7)) == [
        (3, "zone a crash"),
        (4, "start"),
        (5, "deploy begins"),
        (6, "control plane away"),
        (7, "control plane away: over"),
    ]


def test_what_happens_at_once_is_one_moment() -> None:
    assert told(Outage(at_s=3, until_s=5), Crash(at_s=3, until_s=4)) == [
        (3, "control plane away, crash"),
        (4, "crash: over"),
        (5, "control plane away: over"),
    ]
