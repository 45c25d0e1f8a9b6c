import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from tests.xds.assignments import assignments
from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints
from trimtab.xds.version import assignment_version, combined_version

ENDPOINT = Endpoint("10.0.0.1", 80)


def version(endpoint: Endpoint = ENDPOINT, **group: object) -> str:
    fields = {"locality": Locality("eu", "a"), "endpoints": (endpoint,), **group}
    return assignment_version(Assignment("a", (LocalityEndpoints(**fields),)))  # type: ignore[arg-type]


@given(assignments, st.randoms())
def test_order_does_not_matter(assignment: Assignment, rng: object) -> None:
    groups = list(assignment.localities)
    rng.shuffle(groups)  # type: ignore[attr-defined]
    assert assignment_version(dataclasses.replace(assignment, localities=tuple(groups))) == assignment_version(
        assignment
    )


def test_the_name_it_is_served_under_does_not_matter() -> None:
    assert assignment_version(Assignment("a")) == assignment_version(Assignment("b"))


def test_a_version_is_the_same_for_ever() -> None:
    # Equal across replicas, restarts and releases that mean the same: changing this number re-sends everything once.
    assert version() == "edb1798e725fe15e"


def test_every_field_counts() -> None:
    changed = [
        version(dataclasses.replace(ENDPOINT, **field))
        for field in (
            {"address": "10.0.0.2"},
            {"port": 81},
            {"health": Health.DRAINING},
            {"weight": 2},
            {"additional_addresses": ("fd00::1",)},
            {"hostname": "pod"},
            {"uid": "u"},
            {"labels": (("shard", "7"),)},
            {"labels": (("shard", "8"),)},
        )
    ]
    changed += [version(weight=2), version(priority=1), version(locality=Locality("eu", "b"))]
    assert len({version(), *changed}) == len(changed) + 1


def test_a_set_of_resources_has_one_version_in_any_order() -> None:
    pair = [("a", "1"), ("b", "2")]
    assert combined_version(pair) == combined_version(reversed(pair))
    assert combined_version(pair) != combined_version([("a", "2"), ("b", "1")])
