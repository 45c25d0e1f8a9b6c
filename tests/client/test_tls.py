"""TLS to backends: the certificate is the service's, never a pod's address."""

from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
import trustme

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.certificates import client_credentials, server_credentials
from tests.client.eventually import eventually
from tests.client.service import NAME, TARGET
from tests.client.worlds import World
from trimtab.balance import Connectivity


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def backend(ads: AdsServer, authority: trustme.CA) -> Iterator[Backend]:
    with Backend(credentials=server_credentials(authority.issue_cert("shop.prod"))) as made:
        ads.assign(NAME, made.endpoint)
        yield made


def test_the_certificate_is_verified_against_the_service(
    world: World, ads: AdsServer, authority: trustme.CA, backend: Backend
) -> None:
    channel = world.open(ads, credentials=client_credentials(authority))
    assert world.call(channel, "unary_unary", b"a", timeout=60) == [b"a"]


def test_a_certificate_of_somebody_else_is_refused_and_the_log_says_which_name_was_expected(
    world: World, ads: AdsServer, authority: trustme.CA, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    # The same service by a longer name, which the certificate does not have.
    channel = world.open(ads, "xds:///shop.prod.svc.cluster.local:8080", credentials=client_credentials(authority))
    ads.assign(channel.cluster.name, backend.endpoint)
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            world.call(channel, "unary_unary", b"a", timeout=60)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    (said,) = [record.message for record in caplog.records if record.name == "trimtab.client.verified_name"]
    assert "Its certificate has to be for shop.prod.svc.cluster.local; if it is for another name" in said
    assert "authority=" in said


def test_nothing_is_said_of_names_where_connections_stand(
    world: World, ads: AdsServer, authority: trustme.CA, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    channel = world.open(ads, credentials=client_credentials(authority))
    assert world.call(channel, "unary_unary", b"a", timeout=60) == [b"a"]
    ads.assign(NAME, backend.endpoint, replace(backend.endpoint, port=1))
    eventually(lambda: Connectivity.TRANSIENT_FAILURE in {node.connectivity for node in channel.cluster.nodes})
    assert "certificate" not in caplog.text


def test_an_authority_nobody_trusts_is_refused(world: World, ads: AdsServer, backend: Backend) -> None:
    channel = world.open(ads, credentials=client_credentials(trustme.CA()))
    with pytest.raises(grpc.RpcError) as caught:
        world.call(channel, "unary_unary", b"a", timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "name",
    [
        {"authority": "mesh.example"},
        {"options": (("grpc.default_authority", "mesh.example"),)},
        {"options": (("grpc.ssl_target_name_override", "mesh.example"),)},
    ],
)
def test_the_name_to_verify_can_be_given(
    world: World, ads: AdsServer, authority: trustme.CA, name: dict[str, object]
) -> None:
    with Backend(credentials=server_credentials(authority.issue_cert("mesh.example"))) as backend:
        ads.assign(NAME, backend.endpoint)
        channel = world.open(ads, TARGET, credentials=client_credentials(authority), **name)
        assert world.call(channel, "unary_unary", b"a", timeout=60) == [b"a"]


def test_call_credentials(world: World, ads: AdsServer, authority: trustme.CA, backend: Backend) -> None:
    channel = world.open(ads, credentials=client_credentials(authority))
    world.call(channel, "unary_unary", b"a", credentials=grpc.access_token_call_credentials("secret"), timeout=60)
    assert ("authorization", "Bearer secret") in backend.metadata[-1]


def test_call_credentials_of_the_channel(world: World, ads: AdsServer, authority: trustme.CA, backend: Backend) -> None:
    credentials = grpc.composite_channel_credentials(
        client_credentials(authority), grpc.access_token_call_credentials("secret")
    )
    channel = world.open(ads, credentials=credentials)
    world.call(channel, "unary_unary", b"a", timeout=60)
    assert ("authorization", "Bearer secret") in backend.metadata[-1]
