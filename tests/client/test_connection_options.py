from typing import Any

import grpc
import pytest

from trimtab.client.connection_options import connection_options, grpc_target, service_authority
from trimtab.model import Endpoint


def options(*given: tuple[str, object], authority: str | None = None) -> dict[str, object]:
    return dict(connection_options("payments.prod:8080", authority, given, None, None).within(5.0))


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        ("payments.prod:8080", "payments.prod:8080"),
        ("xds:///payments.prod:8080", "payments.prod:8080"),
        ("xds:///payments.prod.svc.cluster.local:8080", "payments.prod.svc.cluster.local:8080"),
        ("payments", "payments"),
        ("payments.prod:grpc", "payments.prod"),
        ("xds:///payments.prod:8080/shard=7", "payments.prod:8080"),
        ("payments.prod:grpc/shard=7", "payments.prod"),
    ],
)
def test_the_authority_is_the_name_that_the_user_wrote(target: str, authority: str) -> None:
    assert service_authority(target) == authority


def test_the_users_options_win() -> None:
    merged = options(("grpc.max_reconnect_backoff_ms", 7), ("grpc.default_authority", "mine"))
    assert merged["grpc.max_reconnect_backoff_ms"] == 7
    assert merged["grpc.default_authority"] == "mine"
    assert merged["grpc.initial_reconnect_backoff_ms"] == 250


def test_the_users_word_on_how_long_connecting_may_take_wins() -> None:
    assert options()["grpc.min_reconnect_backoff_ms"] == 5000
    assert options(("grpc.min_reconnect_backoff_ms", 70))["grpc.min_reconnect_backoff_ms"] == 70


def test_the_authority_argument_wins_over_the_service() -> None:
    assert options(authority="cert.example")["grpc.default_authority"] == "cert.example"


def test_the_name_that_certificates_are_verified_against_is_the_authority_too() -> None:
    override = ("grpc.ssl_target_name_override", "mesh.example")
    assert options(override)["grpc.default_authority"] == "mesh.example"
    assert options(override, ("grpc.default_authority", "mine"))["grpc.default_authority"] == "mine"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "payments.prod"),
        ({"authority": "cert.example:443"}, "cert.example"),
        ({"authority": "[fd00::1]:443"}, "[fd00::1]"),
        ({"authority": "fd00::1"}, "fd00::1"),
        ({"authority": "cert.example"}, "cert.example"),
        ({"options": [("grpc.ssl_target_name_override", "mesh.example")]}, "mesh.example"),
        ({"options": [("grpc.default_authority", b"mesh.example")]}, "mesh.example"),
        ({"options": [("grpc.ssl_target_name_override", "mesh.example")], "authority": "a.example"}, "mesh.example"),
    ],
)
def test_the_name_that_certificates_are_verified_against(given: dict[str, Any], name: str) -> None:
    def verified(credentials: grpc.ChannelCredentials | None) -> str | None:
        arguments = {"authority": None, "options": None, "compression": None} | given
        return connection_options("payments.prod:8080", credentials=credentials, **arguments).verified_name

    assert verified(grpc.ssl_channel_credentials()) == name
    assert verified(None) is None


def test_a_proxy_for_the_outside_does_not_catch_endpoints_unless_asked_to() -> None:
    assert options()["grpc.enable_http_proxy"] == 0
    assert options(("grpc.enable_http_proxy", 1))["grpc.enable_http_proxy"] == 1


def test_targets_need_no_resolver() -> None:
    assert grpc_target(Endpoint("10.0.0.1", 8080)) == "ipv4:10.0.0.1:8080"
    assert grpc_target(Endpoint("fd00::1", 8080)) == "ipv6:[fd00::1]:8080"
