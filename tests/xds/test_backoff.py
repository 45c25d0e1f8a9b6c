import random

from trimtab.xds.backoff import FACTOR, INITIAL_S, MAX_S, Backoff


def test_the_wait_grows_up_to_its_limit() -> None:
    backoff = Backoff(random.Random(1))
    delays = [backoff.next_s() for _ in range(30)]
    bounds = [min(INITIAL_S * FACTOR**attempt, MAX_S) for attempt in range(30)]
    assert all(bound / 2 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))
    assert max(delays) > MAX_S / 2


def test_an_answer_makes_the_next_wait_short_again() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= INITIAL_S


def test_two_clients_that_lose_their_server_together_do_not_return_together() -> None:
    assert Backoff(random.Random(1)).next_s() != Backoff(random.Random(2)).next_s()
