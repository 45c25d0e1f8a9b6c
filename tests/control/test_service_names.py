"""Hints for whoever asks for a service that there is not."""

import random

from trimtab.control.service_names import ServiceNames


def test_the_namespace_that_has_no_service_is_told_from_the_service_that_it_lacks() -> None:
    names = ServiceNames()
    assert names.why_not(("prod", "web")) == "there is no service in namespace prod; services are known in: none at all"
    names.add(("prod", "api"))
    names.add(("test", "web"))
    assert names.why_not(("stage", "web")).endswith("services are known in: prod, test")
    assert names.why_not(("prod", "web")) == "there is no service web in namespace prod; there is one in namespace test"
    assert names.why_not(("prod", "db")) == "there is no service db in namespace prod"


def test_what_is_gone_is_no_hint() -> None:
    names = ServiceNames()
    names.add(("prod", "api"))
    names.add(("test", "web"))
    # Kubernetes may say so twice, and of what was never there.
    for _ in range(2):
        names.add(("test", "web"))
        names.remove(("prod", "nothing"))
    for _ in range(2):
        names.remove(("test", "web"))
    assert names.why_not(("prod", "web")) == "there is no service web in namespace prod"
    assert names.why_not(("test", "web")).endswith("services are known in: prod")


def test_hints_are_those_of_a_look_at_all_services_and_nothing_stays_of_what_is_gone() -> None:
    rng = random.Random(7)
    keys = [(f"ns{number}", name) for number in range(20) for name in ("api", "web")]
    names, there = ServiceNames(), set[tuple[str, str]]()
    for _ in range(500):
        key = rng.choice(keys)
        (names.add, names.remove)[key in there](key)
        there ^= {key}
        looked = ServiceNames()
        for known in there:
            looked.add(known)
        assert [names.why_not(asked) for asked in keys] == [looked.why_not(asked) for asked in keys]
    for key in there:
        names.remove(key)
    assert vars(names) == vars(ServiceNames()) | {"_listed": names._listed}
