from trimtab.client.listeners import Listeners


def test_everybody_who_listens_to_a_name_is_told_in_the_order_in_which_they_came() -> None:
    heard: list[tuple[str, int]] = []
    listeners: Listeners[int] = Listeners()
    listeners.add("a", lambda news: heard.append(("first", news)))
    listeners.add("a", lambda news: heard.append(("second", news)))
    listeners.add("b", lambda news: heard.append(("third", news)))
    listeners.tell("a", 7)
    listeners.tell("c", 8)
    assert heard == [("first", 7), ("second", 7)]


def test_a_listener_may_leave_while_it_is_told() -> None:
    heard: list[int] = []
    listeners: Listeners[int] = Listeners()

    def once(news: int) -> None:
        listeners.remove("a", once)

    listeners.add("a", once)
    listeners.add("a", heard.append)
    listeners.tell("a", 7)
    assert heard == [7]


def test_who_leaves_learns_whether_it_was_the_last() -> None:
    listeners: Listeners[int] = Listeners()
    first, second = [0].append, [1].append
    listeners.add("a", first)
    listeners.add("a", second)
    assert not listeners.remove("a", [2].append)
    assert not listeners.remove("a", first)
    assert "a" in listeners
    assert listeners.remove("a", second)
    assert "a" not in listeners
    assert not listeners.remove("a", second)
