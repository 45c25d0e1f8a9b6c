"""What is due, taken one by one or all together."""

import random
from functools import partial

from tests.xds.shelf import Shelf
from trimtab.xds.resource import Audience, Resource
from trimtab.xds.resource_type import ENDPOINTS
from trimtab.xds.subscription import Batch, Subscription

ANYONE = Audience()
NAMES = [f"s{number}.default:80" for number in range(3)]


def _say(
    subscription: Subscription, shelf: Shelf, *, at_once: bool
) -> tuple[dict[str, Resource], list[str], list[str], object]:
    """What one response says, taken by way of `take_one` or not."""
    if at_once and (one := subscription.take_one(shelf, ANYONE)) is not None:
        name, resource, changed_at = one
        return {name: resource}, [], [], changed_at
    batch: Batch = subscription.take(partial(_get, shelf), removals=False)
    return batch.resources, batch.removed, batch.missing, batch.changed_at


def _get(shelf: Shelf, name: str) -> Resource | None:
    return shelf.get(ENDPOINTS, name, ANYONE)


def _state(subscription: Subscription) -> dict[str, object]:
    return {slot: getattr(subscription, slot) for slot in Subscription.__slots__}


def _step(rng: random.Random, both: list[Subscription], shelf: Shelf, now: float) -> None:
    name, what = rng.choice(NAMES), rng.random()
    if what < 0.6:
        if rng.random() < 0.3:
            shelf.resources.pop(name, None)
        elif rng.random() < 0.8:
            shelf.put(name, str(rng.randrange(5)))
        for subscription in both:
            if subscription.follows(name):
                subscription.changed(name, now)
    elif what < 0.7:
        for subscription in both:
            subscription.subscribe([name])
    elif what < 0.8:
        for subscription in both:
            subscription.unsubscribe([name])
    elif both[0].delivery.outstanding:
        for subscription in both:
            subscription.delivery.answered("1", None, now)


def test_one_resource_that_changed_is_taken_as_if_all_that_is_due_were() -> None:
    ones = 0
    for seed in range(200):
        rng, shelf = random.Random(seed), Shelf()
        plain, quick = both = [Subscription(ENDPOINTS), Subscription(ENDPOINTS)]
        for turn in range(60):
            _step(rng, both, shelf, float(turn))
            assert plain.due == quick.due
            if plain.due:
                said = _say(plain, shelf, at_once=False)
                assert _say(quick, shelf, at_once=True) == said
                ones += len(said[0]) == 1 and said[3] is not None
                for subscription in both:
                    subscription.delivery.sent("1", "", float(turn))
            assert _state(plain) == _state(quick)
    assert ones > 500
