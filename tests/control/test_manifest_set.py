"""Every sentence of docs/adr/0007, one test each."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.control.objects import endpoint, endpoint_slice, service
from trimtab.control.kubernetes import Object, ObjectKey
from trimtab.control.manifest_set import Changes, ManifestSet
from trimtab.control.manifests import Parsed, Problem, parse

PAYMENTS, ORDERS = service(), service(name="orders")
SLICE = endpoint_slice(endpoint("10.0.0.1"))
NEW_SLICE = endpoint_slice(endpoint("10.0.0.2"))
WRONG = Problem("a.yaml", "is wrong")


def holding(*objects: Object, problems: tuple[Problem, ...] = ()) -> Parsed:
    return Parsed(objects, problems)


def loaded(**files: Parsed) -> ManifestSet:
    manifests = ManifestSet()
    manifests.update({f"{name}.yaml": parsed for name, parsed in files.items()})
    return manifests


def test_the_first_step_brings_everything() -> None:
    assert ManifestSet().update({"a.yaml": holding(PAYMENTS, SLICE)}) == Changes(upserts=(PAYMENTS, SLICE))


def test_only_what_changed_is_passed_on() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    assert manifests.update({"a.yaml": holding(PAYMENTS, NEW_SLICE)}) == Changes(upserts=(NEW_SLICE,))


def test_a_valid_file_without_the_object_removes_it() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    assert manifests.update({"a.yaml": holding(PAYMENTS)}) == Changes(deletes=(SLICE.key,))


def test_a_file_that_says_there_is_nothing_removes_what_it_held() -> None:
    manifests = loaded(a=holding(PAYMENTS))
    assert manifests.update({"a.yaml": holding()}).deletes == (PAYMENTS.key,)


def test_an_unreadable_file_changes_nothing() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    changes = manifests.update({"a.yaml": Parsed(problems=(WRONG,), unreadable=True)})
    assert changes == Changes(appeared=(WRONG,))


def test_what_was_wrong_in_a_file_is_not_resolved_by_its_becoming_unreadable() -> None:
    manifests = loaded(a=holding(PAYMENTS, problems=(WRONG,)))
    half, torn = Problem("a.yaml", "is half written"), Problem("a.yaml", "is torn")
    assert manifests.update({"a.yaml": Parsed(problems=(half,), unreadable=True)}) == Changes(appeared=(half,))
    changes = manifests.update({"a.yaml": Parsed(problems=(torn,), unreadable=True)})
    assert changes == Changes(appeared=(torn,), resolved=(half,))
    assert manifests.problems == (torn, WRONG)
    assert set(manifests.update({"a.yaml": holding(PAYMENTS)}).resolved) == {torn, WRONG}


def test_while_a_document_is_wrong_nothing_counts_as_removed_but_the_rest_is_taken_over() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    changes = manifests.update({"a.yaml": holding(NEW_SLICE, problems=(WRONG,))})
    assert changes == Changes(upserts=(NEW_SLICE,), appeared=(WRONG,))


@pytest.mark.parametrize("items", ["", "items:\n"])
def test_a_list_without_items_withdraws_nothing(items: str) -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    changes = manifests.update({"a.yaml": parse("a.yaml", f"apiVersion: v1\nkind: List\n{items}")})
    assert (changes.upserts, changes.deletes, len(changes.appeared)) == ((), (), 1)


def test_once_the_file_is_right_again_what_it_lacks_is_removed() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    manifests.update({"a.yaml": holding(SLICE, problems=(WRONG,))})
    changes = manifests.update({"a.yaml": holding(SLICE)})
    assert changes == Changes(deletes=(PAYMENTS.key,), resolved=(WRONG,))


def test_a_removed_file_keeps_what_it_held_and_says_so() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    changes = manifests.update({"a.yaml": None})
    assert (changes.upserts, changes.deletes) == ((), ())
    (problem,) = changes.appeared
    assert str(problem) == (
        "a.yaml: the file was removed; what it held is still served: "
        "EndpointSlice prod/payments-1, Service prod/payments. "
        "To withdraw it, put the file back with a comment and nothing else, or restart"
    )


def test_a_removed_file_that_comes_back_is_believed() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    manifests.update({"a.yaml": None})
    changes = manifests.update({"a.yaml": holding(PAYMENTS)})
    assert changes.deletes == (SLICE.key,)
    assert manifests.problems == ()


def test_a_renamed_file_takes_the_place_of_what_it_was() -> None:
    manifests = loaded(a=holding(PAYMENTS, SLICE))
    changes = manifests.update({"a.yaml": None, "b.yaml": holding(PAYMENTS, NEW_SLICE)})
    assert changes == Changes(upserts=(NEW_SLICE,))
    assert manifests.update({"b.yaml": holding(PAYMENTS)}).deletes == (NEW_SLICE.key,)


def test_of_an_object_in_two_files_the_first_file_by_name_wins_and_both_are_named() -> None:
    manifests = loaded(b=holding(NEW_SLICE))
    changes = manifests.update({"a.yaml": holding(SLICE)})
    assert changes.upserts == (SLICE,)
    assert [str(problem) for problem in changes.appeared] == [
        "b.yaml: EndpointSlice prod/payments-1: is also in a.yaml, which is used; remove one of the two"
    ]


def test_when_the_first_file_gives_an_object_up_the_second_one_counts() -> None:
    manifests = loaded(a=holding(SLICE, ORDERS), b=holding(NEW_SLICE))
    changes = manifests.update({"a.yaml": holding(ORDERS)})
    assert changes.upserts == (NEW_SLICE,)
    assert manifests.problems == ()


def test_a_note_is_shown_but_what_the_file_lacks_is_removed_all_the_same() -> None:
    manifests = ManifestSet()
    manifests.update({"a.yaml": Parsed((PAYMENTS, ORDERS))})
    note = Problem("a.yaml", "does nothing")
    changes = manifests.update({"a.yaml": Parsed((PAYMENTS,), notes=(note,))})
    assert (changes.deletes, changes.appeared) == ((ORDERS.key,), (note,))


def test_a_problem_appears_once_and_is_resolved_once() -> None:
    manifests = loaded(a=holding(PAYMENTS, problems=(WRONG,)))
    assert manifests.update({"b.yaml": holding(ORDERS)}).appeared == ()
    assert manifests.update({"a.yaml": holding(PAYMENTS)}).resolved == (WRONG,)
    assert manifests.update({"a.yaml": holding(PAYMENTS)}).resolved == ()


file_names = st.sampled_from(["a.yaml", "b.yaml", "c.yaml"])
contents = st.lists(
    st.builds(
        lambda name, host: endpoint_slice(endpoint(f"10.0.0.{host}"), name=name),
        st.sampled_from(["s1", "s2", "s3"]),
        st.integers(1, 3),
    ),
    max_size=3,
    unique_by=lambda item: item.key,
)
says = st.none() | st.builds(lambda items, wrong: Parsed(tuple(items), (WRONG,) * wrong), contents, st.booleans())


def all_at_once(history: Sequence[dict[str, Parsed | None]]) -> dict[ObjectKey, Object]:
    """The same rules, by going through everything after every step."""
    held: dict[str, dict[ObjectKey, Object]] = {}
    gone: set[str] = set()
    served: dict[ObjectKey, Object] = {}
    for step in history:
        for file, parsed in step.items():
            if parsed is None:
                gone.add(file)
                continue
            gone.discard(file)
            kept = held.get(file, {}) if parsed.problems else {}
            held[file] = kept | {item.key: item for item in parsed.objects}
        there = {key for file, objects in held.items() if file not in gone for key in objects}
        for file in gone & held.keys():
            held[file] = {key: item for key, item in held[file].items() if key not in there}
        served = {}
        for file in sorted(held, key=lambda file: (file in gone, file)):
            served = held[file] | served
    return served


@given(st.lists(st.dictionaries(file_names, says, min_size=1, max_size=2), max_size=8))
def test_step_by_step_gives_what_going_through_everything_gives(history: list[dict[str, Parsed | None]]) -> None:
    manifests = ManifestSet()
    served: dict[ObjectKey, Object] = {}
    for step in history:
        changes = manifests.update(step)
        served |= {item.key: item for item in changes.upserts}
        for key in changes.deletes:
            del served[key]
    assert served == all_at_once(history)
