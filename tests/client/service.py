"""The service that the tests of channels call."""

from collections.abc import Sequence
from typing import Any

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import SERVICE, Backend
from trimtab import aio
from trimtab.client.aio_channel import AioChannel
from trimtab.client.channel import SyncChannel

NAME = "shop.prod:8080"
TARGET = f"xds:///{NAME}"

ECHO = f"/{SERVICE}/Echo"
LIST = f"/{SERVICE}/List"
SUM = f"/{SERVICE}/Sum"
CHAT = f"/{SERVICE}/Chat"

ARITIES = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
METHODS = dict(zip(ARITIES, (ECHO, LIST, SUM, CHAT), strict=True))

# Channels of one process share connections by default; tests look at each one's own.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


def assign(ads: AdsServer, backends: Sequence[Backend], name: str = NAME) -> None:
    """The service consists of `backends` from now on."""
    ads.assign(name, *(backend.endpoint for backend in backends))


def sync_channel(ads: AdsServer, **options: Any) -> SyncChannel:
    return trimtab.channel(TARGET, control_plane=ads.address, options=_OPTIONS, **options)


def aio_channel(ads: AdsServer, **options: Any) -> AioChannel:
    return aio.channel(TARGET, control_plane=ads.address, options=_OPTIONS, **options)


def in_flight(channel: SyncChannel | AioChannel) -> int:
    return sum(node.in_flight for node in channel.cluster.nodes)
