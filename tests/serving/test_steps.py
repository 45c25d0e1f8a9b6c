"""Ready-made steps."""

import asyncio

import pytest

from trimtab.serving import WarmupError, listening, repeated


async def test_repeated_calls_run_some_at_once_and_all_in_all() -> None:
    made, under_way, most = 0, 0, 0

    async def call() -> None:
        nonlocal made, under_way, most
        made += 1
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await repeated(call, 10, at_once=3)()
    assert (made, most) == (10, 3)


async def test_the_first_repeated_call_that_fails_is_the_failure() -> None:
    def call() -> None:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        await repeated(call, 10)()


@pytest.mark.parametrize(("times", "at_once"), [(0, 1), (1, 0), (-1, 4)])
def test_numbers_with_which_nothing_would_be_called_are_refused(times: int, at_once: int) -> None:
    with pytest.raises(WarmupError, match="at least 1 call"):
        repeated(lambda: None, times, at_once=at_once)


async def test_a_port_that_opens_late_is_waited_for() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, start_serving=False)
    async with server:
        port = server.sockets[0].getsockname()[1]
        waiting: asyncio.Future[None] = asyncio.ensure_future(listening(f"127.0.0.1:{port}")())
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await server.start_serving()
        await waiting


@pytest.mark.parametrize("address", ["8000", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(WarmupError, match="expected HOST:PORT"):
        listening(address)
