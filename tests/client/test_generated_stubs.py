"""Stubs as protoc generates them, over channels of both worlds."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc_tools.protoc
import pytest

from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.service import aio_channel, assign, sync_channel

Backends = Callable[[int], list[Backend]]

PROTO = """
syntax = "proto3";
package shop;
message Text { string text = 1; }
service Shop {
  rpc Echo (Text) returns (Text);
  rpc List (Text) returns (stream Text);
  rpc Sum (stream Text) returns (Text);
  rpc Chat (stream Text) returns (stream Text);
}
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The messages and the stubs."""
    folder: Path = tmp_path_factory.mktemp("generated")
    (folder / "stubbed_shop.proto").write_text(PROTO)
    outputs = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    assert grpc_tools.protoc.main(["protoc", f"-I{folder}", *outputs, "stubbed_shop.proto"]) == 0
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("stubbed_shop_pb2"), importlib.import_module("stubbed_shop_pb2_grpc")
    finally:
        sys.path.remove(str(folder))


def test_a_synchronous_stub(ads: AdsServer, backends: Backends, generated: tuple[Any, Any]) -> None:
    messages, stubs = generated
    assign(ads, backends(2))
    text = messages.Text(text="hello")
    with sync_channel(ads) as channel:
        stub = stubs.ShopStub(channel)
        assert stub.Echo(text) == text
        assert stub.Echo.future(text).result(10) == text
        assert stub.Sum(request_iterator=iter([text])) == text
        assert list(stub.Chat(iter([text, text]))) == [text, text]
        assert stub.List(messages.Text()).code is not None


async def test_an_asyncio_stub(ads: AdsServer, backends: Backends, generated: tuple[Any, Any]) -> None:
    messages, stubs = generated
    assign(ads, backends(2))
    text = messages.Text(text="hello")
    async with aio_channel(ads) as channel:
        stub = stubs.ShopStub(channel)
        assert await stub.Echo(text) == text
        assert await stub.Sum(iter([text])) == text
        assert [response async for response in stub.Chat(iter([text, text]))] == [text, text]
        chat = stub.Chat()
        await chat.write(text)
        assert await chat.read() == text
        await chat.done_writing()
