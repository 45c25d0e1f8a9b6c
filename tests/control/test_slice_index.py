"""What is known of the slices there are, after whatever happened to them."""

from hypothesis import given
from hypothesis import strategies as st

from tests.control.objects import endpoint, endpoint_slice
from trimtab.control.kubernetes import EndpointSlice, SliceEndpoint
from trimtab.control.slice_index import SliceIndex


def listed(number: int, node: int, *, ready: bool) -> SliceEndpoint:
    return endpoint(f"10.0.0.{number}", ready=ready, pod=f"p{number}", node=f"n{node}")


endpoints = st.builds(listed, st.integers(1, 5), st.integers(1, 3), ready=st.booleans())
names, services = st.sampled_from(["s1", "s2"]), st.sampled_from(["payments", "orders"])
steps = st.lists(st.tuples(names, st.none() | st.tuples(services, st.lists(endpoints, max_size=4))), max_size=12)


@given(steps)
def test_nodes_pods_and_addresses_are_those_of_the_slices_that_are_there(
    history: list[tuple[str, tuple[str, list[SliceEndpoint]] | None]],
) -> None:
    index, there = SliceIndex(), dict[str, EndpointSlice]()
    for name, change in history:
        item = None if change is None else endpoint_slice(*change[1], name=name, of=change[0])
        about = {part.service for part in (there.pop(name, None), item) if part is not None}
        if item is not None:
            there[name] = item
        assert index.put(("EndpointSlice", "prod", name), item) == about
    for service in ("payments", "orders"):
        mine = [part for part in there.values() if part.service[1] == service]
        assert list(index.of(("prod", service))) == mine
        for node in ("n1", "n2", "n3"):
            on_it = any(found.node_name == node for part in mine for found in part.endpoints or ())
            assert (("prod", service) in index.on_node.to(node)) is on_it
        for number in range(1, 6):
            in_it = any(
                found.target_ref is not None and found.target_ref.name == f"p{number}"
                for part in mine
                for found in part.endpoints or ()
            )
            assert (("prod", service) in index.in_pod.to(("prod", f"p{number}"))) is in_it
    addresses = {found.addresses[0] for part in there.values() for found in part.endpoints or ()}
    assert len(index.addresses) == len(addresses)
    for name in list(there):
        index.put(("EndpointSlice", "prod", name), None)
    assert (len(index.on_node), len(index.in_pod), len(index.addresses)) == (0, 0, 0)


def test_endpoints_that_say_the_same_as_before_stay_the_objects_they_were() -> None:
    index, key = SliceIndex(), ("EndpointSlice", "prod", "s1")
    kept = []
    for second in (2, 3):
        index.put(key, endpoint_slice(listed(1, 1, ready=True), listed(second, 1, ready=True), name="s1"))
        kept.append([found for part in index.of(("prod", "payments")) for found in part.endpoints or ()])
    assert kept[0][0] is kept[1][0]
    assert [found.addresses for found in kept[1]] == [["10.0.0.1"], ["10.0.0.3"]]
