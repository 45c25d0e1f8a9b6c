"""The pretended API server, with the users and certificates that the real one gets."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from tests.control.kube.fake_api_server import FakeApiServer
from tests.kube.api_server import USERS, ApiServer
from tests.kube.server_certificate import server_certificate


class PretendedApiServer(ApiServer):
    """In this process."""

    def __init__(self, folder: Path) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        client = server_certificate(folder)
        self._tls.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._fake = FakeApiServer()
        super().__init__("", client, folder)

    async def start(self, port: int = 0) -> None:
        self._fake.access.users = USERS
        await self._fake.start(port, self._tls)
        self.url = self._fake.url

    async def stop(self) -> None:
        await self._fake.stop()

    async def restart(self) -> None:
        port, store = self._fake.port, self._fake.store
        await self.stop()
        self._fake = FakeApiServer(store)
        self._fake.forget()
        await self.start(port)


@contextlib.asynccontextmanager
async def pretended_api_server(folder: Path) -> AsyncIterator[ApiServer]:
    """Start it, and stop it in the end."""
    server = PretendedApiServer(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
