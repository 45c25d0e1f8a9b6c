import pytest

from trimtab.errors import ProtocolError
from trimtab.xds.client_stream import ClientStream, Update
from trimtab.xds.discovery import NOT_FOUND, ClientNode, DiscoveryRequest, DiscoveryResponse, ResourceError

TYPE = "type.example/Thing"
NODE = ClientNode(id="tester")


def decode(body: bytes, version: str) -> tuple[str, str]:
    """Resources here are `name=value`; a value of `bad` must be refused."""
    name, _, value = body.decode().partition("=")
    if value == "bad":
        raise ProtocolError(f"{name}: bad")
    return name, value


def stream(*names: str) -> ClientStream[str]:
    """A connected stream that is subscribed to `names`."""
    made = ClientStream(TYPE, NODE, decode)
    for name in names:
        made.subscribe(name)
    made.connected()
    return made


def response(
    *things: str, version: str = "v1", nonce: str = "n1", errors: tuple[ResourceError, ...] = ()
) -> DiscoveryResponse:
    return DiscoveryResponse(TYPE, version, nonce, tuple((TYPE, thing.encode()) for thing in things), errors)


def test_the_first_request_of_a_stream_names_the_node_and_everything_subscribed() -> None:
    made = ClientStream(TYPE, NODE, decode)
    assert made.subscribe("a") is None
    assert made.subscribe("b") is None
    assert made.connected() == DiscoveryRequest(TYPE, names=("a", "b"), node=NODE)


def test_subscribing_on_an_open_stream_sends_the_whole_subscription() -> None:
    made = stream("a")
    made.received(response("a=1"))
    assert made.subscribe("b") == DiscoveryRequest(TYPE, names=("a", "b"), version="v1", nonce="n1")


def test_subscribing_twice_sends_nothing() -> None:
    assert stream("a").subscribe("a") is None


def test_unsubscribing_sends_what_is_left() -> None:
    made = stream("a", "b")
    assert made.unsubscribe("a") == DiscoveryRequest(TYPE, names=("b",))
    assert made.unsubscribe("a") is None


def test_a_good_response_is_acknowledged() -> None:
    made = stream("a")
    reaction = made.received(response("a=1"))
    assert reaction.request == DiscoveryRequest(TYPE, names=("a",), version="v1", nonce="n1")
    assert reaction.updates == (Update("a", resource="1"),)
    assert made.known("a") == "1"


def test_a_bad_response_is_refused_and_the_last_good_state_stays() -> None:
    made = stream("a")
    made.received(response("a=1"))
    reaction = made.received(response("a=bad", version="v2", nonce="n2"))
    assert reaction.request == DiscoveryRequest(TYPE, names=("a",), version="v1", nonce="n2", error="a: bad")
    assert reaction.updates == ()
    assert made.known("a") == "1"


def test_the_good_resources_of_a_bad_response_are_used() -> None:
    made = stream("a", "b")
    reaction = made.received(response("a=1", "b=bad"))
    assert reaction.request.error == "b: bad"
    assert reaction.updates == (Update("a", resource="1"),)


def test_a_resource_that_comes_twice_is_refused() -> None:
    reaction = stream("a").received(response("a=1", "a=2"))
    assert reaction.request.error == "a is in the response twice"
    assert reaction.updates == ()


def test_a_resource_of_another_type_is_refused() -> None:
    made = stream("a")
    reaction = made.received(DiscoveryResponse(TYPE, "v1", "n1", (("type.example/Other", b"a=1"),)))
    assert "type.example/Other" in (reaction.request.error or "")


def test_a_response_of_another_type_is_an_error_and_is_not_answered() -> None:
    with pytest.raises(ProtocolError, match="not subscribed"):
        stream("a").received(DiscoveryResponse("type.example/Other", "v1", "n1"))


def test_a_resource_nobody_asked_for_is_ignored() -> None:
    reaction = stream("a").received(response("z=1"))
    assert reaction.updates == ()
    assert reaction.request.error is None


def test_an_error_for_a_resource_is_passed_on() -> None:
    error = ResourceError("a", NOT_FOUND, "no such thing")
    reaction = stream("a").received(response(errors=(error, ResourceError("z", NOT_FOUND, "not ours"))))
    assert reaction.updates == (Update("a", error=error),)
    assert reaction.request.version == "v1"


def test_a_new_stream_keeps_the_version_and_drops_the_nonce() -> None:
    made = stream("a")
    made.received(response("a=1", version="v7", nonce="n7"))
    made.disconnected()
    assert made.connected() == DiscoveryRequest(TYPE, names=("a",), version="v7", nonce="", node=NODE)


def test_a_new_stream_claims_no_version_while_something_subscribed_is_unknown() -> None:
    made = stream("a")
    made.received(response("a=1"))
    made.disconnected()
    made.subscribe("b")
    assert made.connected().version == ""


def test_what_was_unsubscribed_is_forgotten() -> None:
    made = stream("a")
    made.received(response("a=1"))
    made.unsubscribe("a")
    assert made.known("a") is None


def test_nothing_is_sent_while_there_is_no_stream() -> None:
    made = stream("a")
    made.disconnected()
    assert made.subscribe("b") is None
    assert made.unsubscribe("a") is None
    assert made.connected().names == ("b",)
