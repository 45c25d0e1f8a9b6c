"""Random assignments for the tests of the wire."""

from hypothesis import strategies as st

from trimtab.model import Assignment, Endpoint, Health, Locality, LocalityEndpoints

_words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
_addresses = st.ip_addresses().map(str)
_endpoints = st.builds(
    Endpoint,
    address=_addresses,
    port=st.integers(1, 65535),
    health=st.sampled_from(Health),
    weight=st.integers(1, 2**32 - 1),
    additional_addresses=st.lists(_addresses, max_size=2).map(tuple),
    hostname=_words,
    uid=_words,
    labels=st.dictionaries(_words, _words, max_size=3).map(lambda labels: tuple(sorted(labels.items()))),
)
_groups = st.builds(
    LocalityEndpoints,
    locality=st.builds(Locality, _words, _words, _words),
    endpoints=st.lists(_endpoints, max_size=4, unique_by=lambda e: (e.address, e.port)).map(tuple),
    weight=st.integers(1, 2**32 - 1),
    priority=st.integers(0, 3),
)


def _addresses_differ(assignment: Assignment) -> bool:
    addresses = [(endpoint.address, endpoint.port) for _, endpoint in assignment.endpoints()]
    return len(addresses) == len(set(addresses))


assignments = st.builds(
    Assignment, cluster=st.just("payments.prod:8080"), localities=st.lists(_groups, max_size=3).map(tuple)
).filter(_addresses_differ)
