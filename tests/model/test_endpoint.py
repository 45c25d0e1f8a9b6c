from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints


def test_an_address_reused_by_another_pod_is_another_endpoint() -> None:
    assert Endpoint("10.0.0.1", 80, uid="a").identity != Endpoint("10.0.0.1", 80, uid="b").identity


def test_identity_ignores_what_may_change_while_the_endpoint_lives() -> None:
    assert Endpoint("10.0.0.1", 80, weight=1).identity == Endpoint("10.0.0.1", 80, weight=9).identity


def test_authority_puts_ipv6_in_brackets() -> None:
    assert Endpoint("10.0.0.1", 80).authority == "10.0.0.1:80"
    assert Endpoint("fd00::1", 80).authority == "[fd00::1]:80"


def test_a_locality_prints_what_it_knows() -> None:
    assert str(Locality("eu", "eu-a")) == "eu/eu-a"
    assert str(Locality()) == "-"


def test_an_assignment_counts_and_lists_its_endpoints_with_their_priority() -> None:
    near, far = Endpoint("10.0.0.1", 80), Endpoint("10.0.1.1", 80)
    assignment = Assignment(
        "payments.prod:80",
        (LocalityEndpoints(Locality(zone="a"), (near,)), LocalityEndpoints(Locality(zone="b"), (far,), priority=1)),
    )
    assert len(assignment) == 2
    assert list(assignment.endpoints()) == [(0, near), (1, far)]


def test_assignments_are_equal_by_content_not_by_version() -> None:
    assert Assignment("a", version="1") == Assignment("a", version="2")
