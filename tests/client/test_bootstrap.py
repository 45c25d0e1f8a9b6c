import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from trimtab.client.bootstrap import Bootstrap, ControlPlane, TransportSecurity, find
from trimtab.errors import BootstrapError
from trimtab.model import Locality

INSECURE = [{"type": "insecure"}]


def config(**server: object) -> dict[str, object]:
    return {"xds_servers": [{"server_uri": "cp:18000", "channel_creds": INSECURE, **server}]}


def uri(found: Bootstrap) -> str:
    return found.servers[0].uri


def test_an_argument_wins_over_the_environment() -> None:
    environ = {"TRIMTAB_XDS": "other:1", "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(config())}
    assert uri(find(control_plane="here:18000", environ=environ)) == "here:18000"
    assert uri(find(config(server_uri="there:1"), environ=environ)) == "there:1"


def test_the_file_wins_over_the_text_and_the_text_over_the_address(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(config(server_uri="file:1")))
    environ = {
        "GRPC_XDS_BOOTSTRAP": str(path),
        "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(config(server_uri="text:1")),
        "TRIMTAB_XDS": "address:1",
    }
    assert uri(find(environ=environ)) == "file:1"
    del environ["GRPC_XDS_BOOTSTRAP"]
    assert uri(find(environ=environ)) == "text:1"
    del environ["GRPC_XDS_BOOTSTRAP_CONFIG"]
    assert uri(find(environ=environ)) == "address:1"


def test_nothing_configured_names_the_three_ways() -> None:
    with pytest.raises(BootstrapError) as caught:
        find(environ={})
    for way in ("TRIMTAB_XDS", "GRPC_XDS_BOOTSTRAP=", "GRPC_XDS_BOOTSTRAP_CONFIG", "control_plane="):
        assert way in str(caught.value)


def test_both_arguments_at_once_are_refused() -> None:
    with pytest.raises(BootstrapError, match="give one of them"):
        find(config(), "cp:1", {})


def test_the_node_is_taken_from_bootstrap_and_downward_api() -> None:
    node = {"id": "n1", "cluster": "c1", "locality": {"region": "eu", "zone": "eu-a"}, "metadata": {"TEAM": "shop"}}
    environ = {"POD_NAMESPACE": "prod", "NODE_NAME": "worker-3", "POD_IP": "10.1.2.3", "POD_NAME": "cart-1"}
    found = find({**config(), "node": node}, environ=environ).node
    assert (found.id, found.cluster, found.locality) == ("n1", "c1", Locality("eu", "eu-a"))
    assert found.metadata == {"NAMESPACE": "prod", "NODE_NAME": "worker-3", "POD_IP": "10.1.2.3", "TEAM": "shop"}
    assert found.user_agent == "trimtab-python"


def test_without_a_node_id_the_pod_names_it_and_the_process_stays_the_same() -> None:
    first, second = (find(control_plane="cp:1", environ={"POD_NAME": "cart-1"}).node for _ in range(2))
    assert first.id.startswith("cart-1-")
    assert first.id == second.id


def test_the_first_credentials_that_we_support_are_used() -> None:
    creds = [{"type": "google_default"}, {"type": "tls", "config": {"ca_certificate_file": "/ca.pem"}}, *INSECURE]
    found = find(config(channel_creds=creds), environ={})
    assert found.servers == (ControlPlane("cp:18000", TransportSecurity(True, "/ca.pem")),)


def test_several_servers_keep_their_order() -> None:
    servers = [{"server_uri": f"cp{i}:1", "channel_creds": INSECURE} for i in range(2)]
    assert [server.uri for server in find({"xds_servers": servers}, environ={}).servers] == ["cp0:1", "cp1:1"]


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ([], "expected a JSON object, got list"),
        ({}, "xds_servers: expected a list"),
        ({"xds_servers": []}, "xds_servers: expected a list"),
        ({"xds_servers": ["cp:1"]}, r"xds_servers\[0\]: expected a JSON object"),
        ({"xds_servers": [{}]}, r"xds_servers\[0\].server_uri: expected a string"),
        (config(server_uri=""), r"xds_servers\[0\].server_uri: expected HOST:PORT"),
        (config(channel_creds=None), r"channel_creds: expected a list"),
        (config(channel_creds=[{"type": "google_default"}]), "got only google_default"),
        (config(channel_creds=[{"type": "tls", "config": {"certificate_file": "/c"}}]), "go together"),
        ({**config(), "node": {"id": 7}}, "node.id: expected a string, got 7"),
        ({**config(), "node": {"locality": {"zone": 1}}}, "node.locality.zone: expected a string"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(broken: object, where: str) -> None:
    environ = {"GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(broken)}
    with pytest.raises(BootstrapError, match=rf"^GRPC_XDS_BOOTSTRAP_CONFIG: .*{where}"):
        find(environ=environ)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match=r"GRPC_XDS_BOOTSTRAP=.*gone.json: cannot be read: No such file"):
        find(environ={"GRPC_XDS_BOOTSTRAP": str(tmp_path / "gone.json")})


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.yaml"
    path.write_text("xds_servers: []")
    with pytest.raises(
        BootstrapError, match=r"bootstrap.yaml: is not JSON: .*`trimtab bootstrap grpc --server HOST:PORT`"
    ):
        find(str(path), environ={})


def test_a_file_that_is_nested_beyond_reading_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.json"
    path.write_text("[" * 100_000)
    with pytest.raises(BootstrapError, match=r"bootstrap.json: is nested too deep .*`trimtab bootstrap grpc"):
        find(path, environ={})


def test_a_file_of_bytes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BootstrapError, match="cannot be read"):
        find(path, environ={})


@pytest.mark.parametrize(
    "address", ["", "cp", "cp:", ":1", "cp:0", "cp:65536", "cp:http", "::1:1", "http://cp:1", "[::1:1"]
)
def test_an_address_must_be_host_and_port(address: str) -> None:
    environ: Mapping[str, str] = {}
    with pytest.raises(BootstrapError, match="control_plane: expected HOST:PORT"):
        find(control_plane=address, environ=environ)


@pytest.mark.parametrize(
    "address", ["cp:1", "cp.trimtab-system.svc:18000", "127.0.0.1:65535", "[::1]:18000", " cp:1\n"]
)
def test_host_names_and_addresses_of_both_families_are_taken(address: str) -> None:
    assert uri(find(environ={"TRIMTAB_XDS": address})) == address.strip()
