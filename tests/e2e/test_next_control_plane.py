"""Two control planes in one bootstrap: the second serves while the first is away, and no call is lost on the way there and back."""

import contextlib
from pathlib import Path

import trimtab
from tests.cli.serving import serving
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ECHO
from tests.e2e.test_outage import TARGET, deploy
from tests.ports import HeldPort


def test_the_second_serves_while_the_first_is_away(tmp_path: Path) -> None:
    here, there = tmp_path / "first", tmp_path / "second"
    here.mkdir()
    there.mkdir()
    with Backend() as one, Backend() as two, HeldPort() as first, contextlib.ExitStack() as running:
        deploy(here, [one])
        deploy(there, [two])
        second = running.enter_context(serving(there))
        insecure = [{"type": "insecure"}]
        servers = [{"server_uri": address, "channel_creds": insecure} for address in (first.address, second.xds)]
        with trimtab.channel(TARGET, bootstrap={"xds_servers": servers}) as channel:
            echo = channel.unary_unary(ECHO)

            def answers(backend: Backend) -> bool:
                return bool(echo(b"who", timeout=60) == str(backend.port).encode())

            assert answers(two)
            for _ in range(2):
                with serving(here, listen=first.address):
                    eventually(lambda: answers(one))
                eventually(lambda: answers(two))
