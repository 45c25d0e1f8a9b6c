"""One subscription per process and control plane; what was learned outlives whoever told it."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trustme

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.certificates import server_credentials
from tests.client.eventually import eventually
from tests.client.service import NAME, TARGET, assign
from tests.client.worlds import AioWorld, SyncWorld, World
from trimtab.client import bootstrap, discoveries
from trimtab.client.discovery import Discovery
from trimtab.client.knowledge import News
from trimtab.model import Assignment, Endpoint
from trimtab.xds.identifier import SEEN

Backends = Callable[[int], list[Backend]]

OTHER = "stock.prod:9090"


class Listening:
    """A discovery of its own, and what it said."""

    def __init__(self, ads: AdsServer, seed: int = 1) -> None:
        self.discovery = Discovery(bootstrap.find(control_plane=ads.address), random.Random(seed))
        self.news: list[News] = []
        self.discovery.subscribe(NAME, self.news.append, policy=False)

    def ports(self) -> list[int]:
        """Those of the last assignment."""
        last = self.news[-1]
        assert isinstance(last, Assignment)
        return [endpoint.port for _, endpoint in last.endpoints()]


@contextmanager
def listening(ads: AdsServer) -> Iterator[Listening]:
    made = Listening(ads)
    try:
        yield made
    finally:
        made.discovery.stop()


def test_all_channels_of_both_worlds_share_one_stream(ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    assign(ads, backends(1), OTHER)
    sync, aio = SyncWorld(), AioWorld()
    channels = [(world, world.open(ads, target)) for world in (sync, aio) for target in (TARGET, TARGET, OTHER)]
    for world, channel in channels:
        assert world.call(channel, "unary_unary", b"a") == [b"a"]
    assert ads.streams_opened == 1
    assert {frozenset(request.names) for request in ads.requests} <= {
        frozenset([NAME]),
        frozenset([NAME, OTHER]),
    }
    sync.end()
    assert len(discoveries.current()) == 1
    aio.end()
    ads.wait_for_streams(0)


def test_who_we_are_is_said_in_the_first_request(world: World, ads: AdsServer) -> None:
    servers = [{"server_uri": ads.address, "channel_creds": [{"type": "insecure"}]}]
    node = {"id": "shop-7", "cluster": "shop", "locality": {"zone": "eu-a"}, "metadata": {"NODE_NAME": "n1"}}
    world.open(None, bootstrap={"xds_servers": servers, "node": node})
    sent = ads.wait_for_request(lambda request: True).node
    assert sent is not None
    assert (sent.id, sent.cluster, sent.locality.zone, sent.metadata["NODE_NAME"]) == ("shop-7", "shop", "eu-a", "n1")
    assert sent.user_agent == "trimtab-python"


def test_the_environment_names_the_control_plane(
    world: World, ads: AdsServer, backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TRIMTAB_XDS", ads.address)
    assign(ads, backends(1))
    assert world.call(world.open(None), "unary_unary", b"a") == [b"a"]


def test_the_last_channel_of_a_service_unsubscribes(world: World, ads: AdsServer, backends: Backends) -> None:
    assign(ads, backends(1))
    first, second = world.open(ads), world.open(ads)
    world.open(ads, OTHER)
    ads.wait_for_request(lambda request: set(request.names) == {NAME, OTHER})
    world.close(first)
    assert world.call(second, "unary_unary", b"a") == [b"a"]
    assert not any(request.names == (OTHER,) for request in ads.requests)
    world.close(second)
    ads.wait_for_request(lambda request: request.names == (OTHER,))
    assert ads.streams_opened == 1


def test_a_service_asked_for_again_is_told_anew(world: World, ads: AdsServer, backends: Backends) -> None:
    old, new = backends(2)
    assign(ads, [old])
    world.open(ads, OTHER)
    channel = world.open(ads)
    world.wait_ready(channel)
    world.close(channel)
    ads.wait_for_request(lambda request: request.names == (OTHER,) and bool(request.nonce))
    assign(ads, [new])
    assert world.call(world.open(ads), "unary_unary", b"who") == [str(new.port).encode()]


def test_a_lost_control_plane_takes_nothing_away(world: World, ads: AdsServer, backends: Backends) -> None:
    old, new = backends(2)
    assign(ads, [old])
    channel = world.open(ads)
    world.wait_ready(channel)
    (node,) = channel.cluster.nodes
    ads.close()
    eventually(lambda: "unreachable" in channel.cluster.awaited() or not channel.cluster.control_plane_answers)
    for _ in range(20):
        assert world.call(channel, "unary_unary", b"who") == [str(old.port).encode()]
    with AdsServer(ads.port) as restarted:
        assign(restarted, [old, new])
        eventually(lambda: len(channel.cluster.nodes) == 2)
        assert node in channel.cluster.nodes
        assert len(old.peers) == 1


def test_a_new_stream_asks_for_everything_and_says_what_it_has(ads: AdsServer) -> None:
    assign(ads, [])
    with listening(ads) as client:
        eventually(lambda: client.news)
        client.discovery.subscribe(OTHER, client.news.append)
        ads.close()
        with AdsServer(ads.port) as restarted:
            first = restarted.wait_for_request(lambda request: True)
            assert set(first.names) == {NAME, OTHER}
            assert first.nonce == ""
            assert first.node is not None


def test_the_next_control_plane_is_told_what_was_seen(ads: AdsServer) -> None:
    ads.seen = 4711
    assign(ads, [])
    with listening(ads) as client:
        eventually(lambda: client.news)
        ads.seen = 12
        # One that has less to say is not where we are.
        ads.assign(NAME, Endpoint("10.0.0.1", 80))
        eventually(lambda: client.ports() == [80])
        ads.close()
        with AdsServer(ads.port) as next_one:
            first = next_one.wait_for_request(lambda request: True)
    assert first.node is not None
    assert first.node.metadata[SEEN] == "4711"


def test_what_cannot_be_used_is_refused_and_the_last_good_stays(
    ads: AdsServer, backends: Backends, caplog: pytest.LogCaptureFixture
) -> None:
    good, better = backends(2)
    assign(ads, [good])
    with listening(ads) as client:
        eventually(lambda: client.news)
        version = ads.wait_for_request(lambda request: request.version != "").version
        ads.send(NAME, b"\xff\xff\xff")
        refusal = ads.wait_for_request(lambda request: request.error is not None)
        assert refusal.version == version
        assert len(client.news) == 1
        assert client.ports() == [good.port]
        eventually(lambda: "the last good state stays" in caplog.text)
        assign(ads, [better])
        eventually(lambda: client.ports() == [better.port])


def test_a_service_that_vanishes_keeps_its_endpoints(
    world: World, ads: AdsServer, backends: Backends, caplog: pytest.LogCaptureFixture
) -> None:
    assign(ads, backends(1))
    channel = world.open(ads)
    world.wait_ready(channel)
    ads.refuse(NAME, "there is no service shop")
    eventually(lambda: "the last known endpoints stay in use" in caplog.text)
    assert world.call(channel, "unary_unary", b"a") == [b"a"]


def test_a_listener_who_comes_late_hears_at_once_what_is_known(ads: AdsServer) -> None:
    ads.assign(NAME)
    ads.refuse(OTHER, "there is no service stock")
    with listening(ads) as client:
        of_other: list[News] = []
        client.discovery.subscribe(OTHER, of_other.append)
        eventually(lambda: client.news and of_other)
        # Each in a list of its own: a control plane may say everything again for every name it is asked for.
        late: dict[str, list[News]] = {NAME: [], OTHER: []}
        for name, heard in late.items():
            client.discovery.subscribe(name, heard.append)
            assert heard
        assert late[NAME][0] == client.news[0] == Assignment(NAME)
        assert isinstance(late[OTHER][0], trimtab.ServiceNotFound)


def test_reconnects_are_spread_and_slow_down(ads: AdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ads.close()
    waits: list[float] = []

    def wait(self: object, timeout: float) -> bool:
        waits.append(timeout)
        return False

    with listening(ads) as client:
        monkeypatch.setattr(client.discovery._stopped, "wait", wait.__get__(client.discovery._stopped))
        eventually(lambda: len(waits) >= 12)
    bounds = [min(0.2 * 1.6**n, 15.0) for n in range(12)]
    assert all(bound / 2 <= waited <= bound for waited, bound in zip(waits, bounds, strict=False))
    assert len(set(waits[:12])) == 12


def test_the_control_plane_over_tls(world: World, backends: Backends, tmp_path: object) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    with authority.cert_pem.tempfile() as roots, secured(certificate) as ads:
        credentials = [{"type": "tls", "config": {"ca_certificate_file": roots}}]
        servers = [{"server_uri": ads.address, "channel_creds": credentials}]
        assign(ads, backends(1))
        channel = world.open(None, bootstrap={"xds_servers": servers})
        assert world.call(channel, "unary_unary", b"a") == [b"a"]
        world.close(channel)
        ads.wait_for_streams(0)


def test_a_certificate_that_cannot_be_read_is_named_and_tried_again(
    world: World, backends: Backends, tmp_path: object
) -> None:
    authority = trustme.CA()
    with secured(authority.issue_cert("127.0.0.1")) as ads:
        path = f"{tmp_path}/roots.pem"
        credentials = [{"type": "tls", "config": {"ca_certificate_file": path}}]
        servers = [{"server_uri": ads.address, "channel_creds": credentials}]
        assign(ads, backends(1))
        channel = world.open(None, bootstrap={"xds_servers": servers})
        eventually(lambda: f"{path}: cannot be read: No such file" in channel.cluster.awaited())
        authority.cert_pem.write_to_path(path)
        assert world.call(channel, "unary_unary", b"a", timeout=60) == [b"a"]
        world.close(channel)
        ads.wait_for_streams(0)


def secured(certificate: trustme.LeafCert) -> AdsServer:
    return AdsServer(credentials=server_credentials(certificate))
