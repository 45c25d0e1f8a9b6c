"""`trimtab bootstrap`, run as its users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.filters.http.on_demand.v3 import on_demand_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from google.protobuf import json_format

from tests.xds.envoy_messages import discovery_pb2, http_connection_manager_pb2, http_protocol_options_pb2, router_pb2
from trimtab.client.bootstrap import Bootstrap, TransportSecurity
from trimtab.model import Locality

SERVER = "xds.trimtab.svc:18000"
WITNESSES = (http_connection_manager_pb2, http_protocol_options_pb2, on_demand_pb2, previous_hosts_pb2, router_pb2)
"""What a bootstrap holds in `Any`; importing them makes them known to the parser of JSON."""


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.cli", "bootstrap", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("POD_", "NODE_"))}
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **env}, timeout=120, check=False)


def printed(*arguments: str, **env: str) -> dict[str, Any]:
    ended = run(*arguments, **env)
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def test_grpc_gets_servers_in_the_order_given_and_nothing_that_is_not_known() -> None:
    document = printed("grpc", "--server", SERVER, "--server", "[fd00::1]:18000", "--node-id", "n")
    assert [server["server_uri"] for server in document["xds_servers"]] == [SERVER, "[fd00::1]:18000"]
    assert document["node"] == {"id": "n", "cluster": "", "metadata": {}, "locality": {}}


def test_who_the_client_is_comes_from_the_environment_and_from_options_first() -> None:
    environment = {"POD_NAME": "web-1", "POD_NAMESPACE": "prod", "NODE_NAME": "node-1", "POD_IP": "10.0.0.7"}
    document = printed(
        "grpc", "--server", SERVER, "--namespace", "test", "--region", "eu", "--zone", "a", **environment
    )
    node = Bootstrap.parse(document, "printed", {}).node
    assert (node.id, node.locality) == ("web-1", Locality("eu", "a"))
    assert node.metadata == {"NAMESPACE": "test", "NODE_NAME": "node-1", "POD_IP": "10.0.0.7"}


@pytest.mark.parametrize("more", [(), ("--listen", "0.0.0.0:8080"), ("--listen", "0.0.0.0:8080", "--on-demand")])
def test_envoy_gets_what_envoy_calls_a_bootstrap(more: tuple[str, ...]) -> None:
    assert WITNESSES
    document = printed("envoy", "--server", SERVER, *more, NODE_NAME="node-1")
    # Fields that Envoy does not know are errors here, as they are for Envoy.
    bootstrap = json_format.ParseDict(document, bootstrap_pb2.Bootstrap())
    assert bootstrap.node.metadata["NODE_NAME"] == "node-1"
    assert bootstrap.admin.address.socket_address.address == "127.0.0.1"
    assert bootstrap.dynamic_resources.HasField("cds_config") is ("--on-demand" not in more)
    assert len(bootstrap.static_resources.listeners) == (1 if more else 0)


TLS = ("--tls-ca", "/tls/ca.crt", "--tls-cert", "/tls/tls.crt", "--tls-key", "/tls/tls.key")


def test_with_tls_grpc_gets_the_files_and_our_library_reads_them() -> None:
    (server,) = Bootstrap.parse(printed("grpc", "--server", SERVER, *TLS), "printed", {}).servers
    assert server.security == TransportSecurity(True, "/tls/ca.crt", "/tls/tls.crt", "/tls/tls.key")
    (server,) = Bootstrap.parse(printed("grpc", "--server", SERVER, "--tls"), "printed", {}).servers
    assert server.security == TransportSecurity(True)


def test_with_tls_envoy_trusts_the_name_it_was_given_and_no_other() -> None:
    arguments = ("--server", SERVER, "--server", "10.0.0.1:18000", *TLS)
    bootstrap = json_format.ParseDict(printed("envoy", *arguments), bootstrap_pb2.Bootstrap())
    context = tls_pb2.UpstreamTlsContext()
    assert bootstrap.static_resources.clusters[0].transport_socket.typed_config.Unpack(context)
    names = context.common_tls_context.validation_context.match_typed_subject_alt_names
    assert [(name.san_type, name.matcher.exact) for name in names] == [
        (common_pb2.SubjectAltNameMatcher.DNS, "xds.trimtab.svc"),
        (common_pb2.SubjectAltNameMatcher.IP_ADDRESS, "10.0.0.1"),
    ]
    assert context.common_tls_context.tls_certificates[0].private_key.filename == "/tls/tls.key"


def test_into_a_folder_envoy_gets_its_secrets_as_files_that_it_watches(tmp_path: Path) -> None:
    assert run("envoy", "--server", SERVER, *TLS, "--into", str(tmp_path)).stdout == ""
    files = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    json_format.ParseDict(files.pop("envoy.json"), bootstrap_pb2.Bootstrap())
    for name, content in files.items():
        secret = secret_pb2.Secret()
        response = json_format.ParseDict(content, discovery_pb2.DiscoveryResponse())
        assert response.resources[0].Unpack(secret)
        assert f"{secret.name}.json" == name
        part = secret.tls_certificate if secret.HasField("tls_certificate") else secret.validation_context
        assert part.watched_directory.path == "/tls"
    assert len(files) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("grpc", "--server", "nowhere"), "--server: expected HOST:PORT such as 127.0.0.1:18000"),
        (("envoy", "--server", SERVER, "--admin", "9901"), "--admin: expected HOST:PORT"),
        (("envoy", "--server", SERVER, "--listen", "x"), "--listen: expected HOST:PORT"),
        (("envoy", "--server", SERVER, "--on-demand"), "--on-demand: it is requests that demand"),
        (("grpc", "--server", SERVER, "--tls-cert", "x"), "--tls-cert and --tls-key go together"),
        (("envoy", "--server", SERVER, "--into", "/dev/null"), "--into: cannot write to /dev/null"),
    ],
)
def test_a_mistake_in_the_call_is_a_clear_error(arguments: tuple[str, ...], says: str) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"trimtab bootstrap: {says}")
    assert ended.stderr.count("\n") == 1


def test_without_a_server_there_is_nothing_to_print() -> None:
    assert run("grpc").returncode != 0
