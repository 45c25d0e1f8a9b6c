from trimtab.simulate.timeline import Timeline


def test_events_happen_in_order_of_time_and_of_announcement() -> None:
    timeline = Timeline()
    seen: list[tuple[float, object]] = []

    def happen(what: object) -> None:
        seen.append((timeline.now, what))

    for at_s, what in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (5.0, "late")):
        timeline.at(at_s, happen, what)
    timeline.run(3.0)
    assert seen == [(1.0, "a"), (1.0, "b"), (2.0, "c")]
    assert timeline.now == 3.0


def test_an_event_may_announce_others_even_for_now() -> None:
    timeline = Timeline()
    seen: list[int] = []

    def count(number: int) -> None:
        seen.append(number)
        if number < 3:
            timeline.at(timeline.now, count, number + 1)

    timeline.at(1.0, count, 0)
    timeline.run(1.0)
    assert seen == [0, 1, 2, 3]


def test_withdrawn_events_do_not_happen() -> None:
    timeline = Timeline()
    seen: list[object] = []
    lost: list[object] = []
    for at_s in (3.0, 1.0, 2.0):
        timeline.at(at_s, seen.append, at_s)
        timeline.at(at_s, lost.append, at_s)
    assert timeline.withdraw(lost.append) == [1.0, 2.0, 3.0]
    timeline.run(9.0)
    assert (seen, lost) == ([1.0, 2.0, 3.0], [])
