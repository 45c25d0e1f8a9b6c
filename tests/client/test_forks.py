"""A process that forks after it has opened a channel: what works, works; what cannot, says so."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.service import assign

Fork = Callable[..., list[str]]
ANSWER = repr(b"hello")


@pytest.fixture
def fork(ads: AdsServer, backends: Callable[[int], list[Backend]]) -> Fork:
    """Runs one case of `tests.client.forking`; what its processes said."""
    assign(ads, backends(1))

    def run(case: str, *, prepares: bool = False) -> list[str]:
        return said(ads, case, GRPC_ENABLE_FORK_SUPPORT=str(int(prepares))).stdout.splitlines()

    return run


def said(ads: AdsServer, case: str, **more: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    command = [sys.executable, "-m", "tests.client.forking", ads.address, case]
    return subprocess.run(command, env=env | more, check=True, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("prepares", [False, True])
def test_a_channel_from_before_the_fork_refuses_in_the_child_and_serves_the_parent(fork: Fork, prepares: bool) -> None:
    before, child, ended, after = fork("inherited", prepares=prepares)
    assert before == after == f"parent: {ANSWER}"
    assert child.startswith("child: ForkError: shop.prod:8080: this channel was opened before process ")
    assert "make channels after the fork: in each worker of a prefork server" in child
    assert ended == "child ended: 0"


def test_a_channel_opened_in_the_child_works_where_grpc_prepares_for_forks(fork: Fork) -> None:
    assert fork("opened_in_the_child", prepares=True) == [
        f"parent: {ANSWER}",
        f"child: {ANSWER}",
        "child ended: 0",
        f"parent: {ANSWER}",
    ]


def test_where_it_does_not_the_child_is_told_what_to_do(fork: Fork) -> None:
    before, child, ended, after = fork("opened_in_the_child")
    assert before == after == f"parent: {ANSWER}"
    assert "was forked from one with open channels, and gRPC does not survive that" in child
    assert "set GRPC_ENABLE_FORK_SUPPORT=1 before the parent imports grpc" in child
    assert ended == "child ended: 0"


def test_channels_opened_only_after_the_fork_work(fork: Fork) -> None:
    assert fork("only_in_the_child") == [f"child: {ANSWER}", "child ended: 0"] * 2


def test_a_channel_of_asyncio_that_waits_for_its_first_call_starts_in_the_child(fork: Fork) -> None:
    assert fork("not_started") == [f"child: {ANSWER}", "child ended: 0"]


def test_asyncio_refuses_in_the_child(fork: Fork) -> None:
    # Where gRPC's core prepares for forks it may crash a child of asyncio before any of our code runs there.
    old, new = fork("inherited_by_asyncio")
    assert old.startswith("child: ForkError: shop.prod:8080: this channel was opened before process ")
    assert "gRPC does not survive that" in new
    assert "GRPC_ENABLE_FORK_SUPPORT" not in new


def test_who_did_not_decide_is_warned_in_time(ads: AdsServer, backends: Callable[[int], list[Backend]]) -> None:
    assign(ads, backends(1))
    # What becomes of the child is gRPC's affair here, and a matter of chance.
    warned = said(ads, "inherited").stderr
    assert (
        "forks with open channels (shop.prod:8080), over which gRPC may crash in the child: make channels after"
        in warned
    )
    assert "or set GRPC_ENABLE_FORK_SUPPORT to 1 before grpc is imported" in warned
    assert "forks with open channels" not in said(ads, "inherited", GRPC_ENABLE_FORK_SUPPORT="1").stderr
    assert "forks with open channels" not in said(ads, "only_in_the_child").stderr
