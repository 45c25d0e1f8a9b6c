"""Who the control plane is to an API server, over real TLS connections."""

import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.control.kube.fake_access import admins
from tests.control.kube.fake_api_server import FakeApiServer, Fault, fake_api_server
from tests.control.kube.following import access, following
from tests.control.kube.json_objects import endpoint_slice, service
from trimtab.control.kube.access import Access, AccessSource, in_cluster
from trimtab.control.kube.kubeconfig import Kubeconfig, default_files
from trimtab.errors import ClusterError

CA = trustme.CA()
OTHER_CA = trustme.CA()


def server_tls(*, client_certificates: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1", "api.internal").configure_cert(context)
    if client_certificates:
        CA.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def ca_data(ca: trustme.CA = CA) -> str:
    return base64.b64encode(ca.cert_pem.bytes()).decode()


def kubeconfig(path: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "here",
                "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "prod"}}],
            }
        )
    )
    return path


async def served(api: FakeApiServer, config: Path) -> list[str]:
    source = AccessSource(Kubeconfig([config]).load)
    async with following(api.url, credentials=source) as follower:
        return follower.addresses()


async def test_in_a_cluster_the_service_account_is_used_and_its_token_read_again(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(CA.cert_pem.bytes())
    (tmp_path / "token").write_text("first\n")
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        api.access.users = admins("first")
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
        async with following(api.url, credentials=AccessSource(in_cluster(environment, tmp_path))) as follower:
            assert follower.addresses() == ["10.0.0.1"]
            api.access.users = admins("second")
            (tmp_path / "token").write_text("second\n")
            api.cut()
            api.put(endpoint_slice("10.0.0.2"))
            await follower.until(lambda: follower.addresses() == ["10.0.0.2"])


def test_outside_of_a_cluster_there_is_a_clear_error() -> None:
    with pytest.raises(ClusterError, match="KUBERNETES_SERVICE_HOST is not set; name a source with --manifests"):
        in_cluster({})


def test_a_missing_token_names_the_file_and_the_likely_reason(tmp_path: Path) -> None:
    load = in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
    with pytest.raises(ClusterError, match=r"token cannot be read: .*automountServiceAccountToken"):
        load(False)


async def test_a_token_that_cannot_be_read_again_stays_in_use(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(CA.cert_pem.bytes())
    (tmp_path / "token").write_text("only")
    source = AccessSource(in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path))
    first = await source.current()
    (tmp_path / "token").unlink()
    source.refused()
    assert await source.current() is first


async def test_a_token_that_is_torn_when_it_is_read_again_ends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("first")
    now = 0.0
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        api.access.users = admins("first", "second")
        cluster = {"certificate-authority-data": ca_data()}
        config = kubeconfig(tmp_path / "config", api.url, {"tokenFile": "token"}, **cluster)
        source = AccessSource(Kubeconfig([config]).load, clock=lambda: now)
        async with following(api.url, credentials=source) as follower:
            for torn, at_s in ((b"\xff\xfe\x00", 100.0), (b"", 200.0)):
                (tmp_path / "token").write_bytes(torn)
                now = at_s
                api.cut()
                api.put(endpoint_slice(f"10.0.0.{at_s:.0f}"))
                await follower.until(lambda at_s=at_s: follower.addresses() == [f"10.0.0.{at_s:.0f}"])  # type: ignore[misc]
                assert (await source.current()).headers == {"Authorization": "Bearer first"}
            (tmp_path / "token").write_text("second")
            now = 300.0
            assert (await source.current()).headers == {"Authorization": "Bearer second"}
    logged = "".join(capfd.readouterr())
    assert "is not text" in logged
    assert "is empty" in logged


async def test_whatever_goes_wrong_when_reading_again_the_last_credentials_stay() -> None:
    outcomes: list[Access | Exception] = [ZeroDivisionError("odd"), Access("https://a"), RecursionError("odder")]

    def load(_: bool) -> Access:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    source = AccessSource(load)
    with pytest.raises(ClusterError, match="ZeroDivisionError: odd"):
        await source.current()
    first = await source.current()
    source.refused()
    assert await source.current() is first
    assert not outcomes


def test_an_authority_that_is_not_pem_is_a_clear_error(tmp_path: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert(CA.cert_pem.bytes().decode())
    (tmp_path / "ca.crt").write_bytes(der)
    (tmp_path / "token").write_text("t")
    expected = r"ca\.crt is not PEM; if it is DER, convert it"
    with pytest.raises(ClusterError, match=expected):
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)(False)
    of_file = kubeconfig(tmp_path / "config", "https://a", {"token": "t"}, **{"certificate-authority": "ca.crt"})
    with pytest.raises(ClusterError, match=expected):
        Kubeconfig([of_file]).load(False)
    data = {"certificate-authority-data": base64.b64encode(der).decode()}
    inline = kubeconfig(tmp_path / "config", "https://a", {"token": "t"}, **data)
    with pytest.raises(ClusterError, match="certificate-authority-data is not PEM"):
        Kubeconfig([inline]).load(False)


def test_authorities_may_have_comments_in_any_language(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes("# Autoridad de Certificación\n".encode() + CA.cert_pem.bytes())
    config = kubeconfig(tmp_path / "config", "https://a", {"token": "t"}, **{"certificate-authority": "ca.crt"})
    tls = Kubeconfig([config]).load(False).tls
    assert isinstance(tls, ssl.SSLContext)
    assert tls.cert_store_stats()["x509_ca"] == 1


async def test_a_token_with_white_space_around_it(tmp_path: Path) -> None:
    """As a block of YAML gives it."""
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        api.access.users = admins("t")
        config = kubeconfig(tmp_path / "config", api.url, {"token": "t\n"}, **{"certificate-authority-data": ca_data()})
        assert await served(api, config) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("user", "where"), [({"token": "a\nb"}, "token"), ({"tokenFile": "two"}, "two"), ({"as": "a\rb"}, "as")]
)
def test_what_no_header_can_hold_is_refused(tmp_path: Path, user: dict[str, Any], where: str) -> None:
    (tmp_path / "two").write_text("one\ntwo\n")
    config = kubeconfig(tmp_path / "config", "https://a", user)
    with pytest.raises(ClusterError, match=f"{where}: there are control characters in it"):
        Kubeconfig([config]).load(False)


async def test_tokens_are_read_now_and_then(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(CA.cert_pem.bytes())
    (tmp_path / "token").write_text("old")
    now = 0.0
    source = AccessSource(in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path), clock=lambda: now)
    first = await source.current()
    (tmp_path / "token").write_text("new")
    assert await source.current() is first
    now = 61.0
    second = await source.current()
    assert second.headers == {"Authorization": "Bearer new"}
    # The same certificates: connections may be shared.
    assert second.tls is first.tls


async def test_a_token_in_a_kubeconfig(tmp_path: Path) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        api.access.users = admins("t")
        config = kubeconfig(tmp_path / "config", api.url, {"token": "t"}, **{"certificate-authority-data": ca_data()})
        assert await served(api, config) == ["10.0.0.1"]


async def test_files_are_relative_to_the_kubeconfig_and_a_token_file_wins(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CA.cert_pem.bytes())
    (tmp_path / "token").write_text("from file\n")
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        api.access.users = admins("from file")
        user = {"token": "stale", "tokenFile": "token"}
        config = kubeconfig(tmp_path / "config", api.url, user, **{"certificate-authority": "ca.pem"})
        assert await served(api, config) == ["10.0.0.1"]


@pytest.mark.parametrize("inline", [True, False])
async def test_a_client_certificate(tmp_path: Path, inline: bool) -> None:
    issued = CA.issue_cert("trimtab@example.org")
    certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    (tmp_path / "client.crt").write_bytes(certificate)
    (tmp_path / "client.key").write_bytes(key)
    user = (
        {
            "client-certificate-data": base64.b64encode(certificate).decode(),
            "client-key-data": base64.b64encode(key).decode(),
        }
        if inline
        else {"client-certificate": "client.crt", "client-key": "client.key"}
    )
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls(client_certificates=True)) as api:
        config = kubeconfig(tmp_path / "config", api.url, user, **{"certificate-authority-data": ca_data()})
        assert await served(api, config) == ["10.0.0.1"]


async def test_a_server_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with fake_api_server(service(), tls=server_tls()) as api:
        cluster = {"certificate-authority-data": ca_data(OTHER_CA)}
        config = kubeconfig(tmp_path / "config", api.url, {"token": "secret"}, **cluster)
        source = AccessSource(Kubeconfig([config]).load)
        async with following(api.url, credentials=source, wait=False) as follower:
            await follower.until(lambda: "certificate verify failed" in follower.source.waiting_for)
            assert not follower.objects
        assert not api.requests


async def test_not_verifying_takes_being_told_so_and_is_loud(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        config = kubeconfig(tmp_path / "config", api.url, {"token": "t"}, **{"insecure-skip-tls-verify": True})
        assert await served(api, config) == ["10.0.0.1"]
    assert "CERTIFICATE IS NOT VERIFIED" in "".join(capfd.readouterr())


async def test_the_name_in_the_certificate_may_be_another(tmp_path: Path) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        cluster = {"certificate-authority-data": ca_data(), "tls-server-name": "api.internal"}
        assert await served(api, kubeconfig(tmp_path / "config", api.url, {"token": "t"}, **cluster)) == ["10.0.0.1"]


async def test_a_credential_plugin_is_run_and_run_again_when_its_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, pathlib\n"
        f"token = pathlib.Path({str(tmp_path / 'token')!r}).read_text()\n"
        "print(json.dumps({'kind': 'ExecCredential', 'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'status': {'token': token}}))\n"
    )
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(plugin)],
            "interactiveMode": "Never",
        }
    }
    async with fake_api_server(service(), endpoint_slice("10.0.0.1"), tls=server_tls()) as api:
        api.access.users = admins("one")
        config = kubeconfig(tmp_path / "config", api.url, user, **{"certificate-authority-data": ca_data()})
        async with following(api.url, credentials=AccessSource(Kubeconfig([config]).load)) as follower:
            assert follower.addresses() == ["10.0.0.1"]
            api.access.users = admins("two")
            (tmp_path / "token").write_text("two")
            api.cut()
            api.put(endpoint_slice("10.0.0.2"))
            await follower.until(lambda: follower.addresses() == ["10.0.0.2"])


def test_a_plugin_that_fails_is_named(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}}
    config = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", user)
    with pytest.raises(ClusterError, match=r"context here: .*process returned 1"):
        Kubeconfig([config]).load(False)


def test_a_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    nowhere = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never"}
    config = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", {"exec": nowhere})
    with pytest.raises(ClusterError, match=r"neither a token nor a certificate: .*'no-such-plugin'"):
        Kubeconfig([config]).load(False)


async def test_whoever_is_impersonated_is_so_with_everything_that_is_said_of_them(tmp_path: Path) -> None:
    user = {
        "token": "t",
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["readers", "night shift"],
        "as-user-extra": {"example.org/team": ["a", "b"]},
    }
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        assert await served(api, kubeconfig(tmp_path / "config", api.url, user)) == ["10.0.0.1"]
        for headers in api.headers:
            assert [(name, value) for name, value in headers.items() if name.startswith("Impersonate-")] == [
                ("Impersonate-User", "jane"),
                ("Impersonate-Uid", "7"),
                ("Impersonate-Group", "readers"),
                ("Impersonate-Group", "night shift"),
                ("Impersonate-Extra-example.org%2Fteam", "a"),
                ("Impersonate-Extra-example.org%2Fteam", "b"),
            ]


def test_groups_of_nobody_are_refused(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", "https://a", {"token": "t", "as-groups": ["readers"]})
    with pytest.raises(ClusterError, match="as-groups without as"):
        Kubeconfig([config]).load(False)


def test_several_files_are_one_and_the_first_to_name_a_thing_decides(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(
        json.dumps(
            {
                "current-context": "two",
                "clusters": [{"name": "c", "cluster": {"server": "http://first"}}],
                "contexts": [{"name": "two", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    kubeconfig(second, "http://second", {"token": "t"})
    loaded = Kubeconfig([first, second]).load(False)
    assert (loaded.server, loaded.headers) == ("http://first", {"Authorization": "Bearer t"})
    chosen = Kubeconfig([first, tmp_path / "missing", second], "here")
    assert (chosen.name, chosen.load(False).namespace) == ("here", "prod")


def test_which_files_there_are_by_default() -> None:
    assert default_files({"KUBECONFIG": "/a:/b"}) == [Path("/a"), Path("/b")]
    assert default_files({}) == [Path.home() / ".kube" / "config"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no current-context; choose one with --context: there is none"),
        ("{", "not YAML"),
        ("clusters: 3", "not a kubeconfig"),
        ("current-context: x", "no context is called 'x'; there are: there is none"),
    ],
)
def test_a_kubeconfig_that_says_too_little_is_a_clear_error(tmp_path: Path, text: str, expected: str) -> None:
    config = tmp_path / "config"
    config.write_text(text)
    with pytest.raises(ClusterError, match=expected):
        Kubeconfig([config])


def test_a_kubeconfig_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="nowhere"):
        Kubeconfig([tmp_path / "nowhere"])


@pytest.mark.parametrize("server", ["127.0.0.1:1", "api.internal", "", "https://", "https://a:99999", "ftp://a"])
def test_a_server_without_a_scheme_is_refused(tmp_path: Path, server: str) -> None:
    config = kubeconfig(tmp_path / "config", server, {"token": "t"})
    with pytest.raises(ClusterError, match=f"config: server must begin with https:// and name a host, got '{server}'"):
        Kubeconfig([config]).load(False)


def test_a_proxy_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", "https://a", {"token": "t"}, **{"proxy-url": "socks5://localhost:1080"})
    with pytest.raises(ClusterError, match="proxy-url must begin with http:// or https://"):
        Kubeconfig([config]).load(False)


def test_a_password_is_refused_with_a_reason(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", {"username": "admin", "password": "x"})
    with pytest.raises(ClusterError, match="no longer accepted"):
        Kubeconfig([config]).load(False)


async def test_a_missing_permission_names_the_rule() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        api.access.denied = {"endpointslices"}
        async with following(api.url, wait=False) as follower:
            rule = '{apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"]}'
            await follower.until(lambda: rule in follower.source.waiting_for)
            assert "add this rule to the ClusterRole" in follower.source.waiting_for
            assert not follower.objects
            # Once it is granted, nobody has to restart anything.
            api.access.denied = set()
            await follower.until(lambda: follower.addresses() == ["10.0.0.1"])


async def test_what_is_no_kubernetes_api_is_not_taken_for_a_missing_permission() -> None:
    async with fake_api_server() as api, following(f"{api.url}/elsewhere", wait=False) as follower:
        at = f"{api.url}/elsewhere"
        said = f"the API server at {at} does not serve services (/api/v1/services: HTTP 404); is {at} a Kubernetes API?"
        await follower.until(lambda: said in follower.source.waiting_for)
        assert "permission" not in follower.source.waiting_for


async def test_without_nodes_there_are_no_regions_and_everything_else(capfd: pytest.CaptureFixture[str]) -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        api.access.denied = {"nodes"}
        async with following(api.url) as follower:
            assert follower.addresses() == ["10.0.0.1"]
            api.put(endpoint_slice("10.0.0.2"))
            await follower.until(lambda: follower.addresses() == ["10.0.0.2"])
            # A minute old at most, although nodes were never heard.
            assert follower.source.connected
            assert follower.source.age_s < 30
    assert "".join(capfd.readouterr()).count("endpoints have no region") == 1


async def test_a_token_that_was_refused_for_a_while_does_no_harm() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        api.access.users = admins("good")
        async with following(api.url, credentials=access(api.url, "good")) as follower:
            api.access.users = admins()
            api.cut()
            await follower.until(lambda: not follower.source.connected)
            api.put(endpoint_slice("10.0.0.2"))
            api.access.users = admins("good")
            await follower.until(lambda: follower.addresses() == ["10.0.0.2"] and follower.source.connected)


async def test_a_silent_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-open: it looks alive, and nothing will ever come."""
    monkeypatch.setattr("trimtab.control.kube.api_client._GRACE_S", 0.2)
    monkeypatch.setattr("trimtab.control.kube.reflector._WATCH_S", (0, 0))
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api, following(api.url) as follower:
        api.fail("endpointslices", Fault(silent=True))
        api.cut("endpointslices")
        api.put(endpoint_slice("10.0.0.2"))
        await follower.until(lambda: follower.addresses() == ["10.0.0.2"])


async def test_a_slow_answer_is_waited_for() -> None:
    async with fake_api_server(service(), endpoint_slice("10.0.0.1")) as api:
        api.fail("services", Fault(slow_s=0.3))
        async with following(api.url) as follower:
            assert follower.addresses() == ["10.0.0.1"]
