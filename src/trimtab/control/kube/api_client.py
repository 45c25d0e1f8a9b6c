"""Requests to the Kubernetes API over HTTP: a body, or the lines of a stream."""

import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Self

import aiohttp

from ...errors import ClusterError
from .access import Access, AccessSource
from .line_buffer import LineBuffer
from .messages import Failure, Unanswered, read_status

_CONNECT_S = 10.0
_READ_S = 60.0
_GRACE_S = 15.0
"""How much longer than the server meant to keep a stream open to wait for its next byte before taking it for dead."""
# A peer that is gone without a word is noticed within half a minute, whatever the stream's timeout.
_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class ApiClient:
    """One API server, one set of credentials."""

    def __init__(self, access: AccessSource, user_agent: str) -> None:
        self._access = access
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, socket_factory=_keepalive_socket)
        # Nothing is compressed: networks inside a cluster are fast, and unpacking would block the event loop.
        headers = {"User-Agent": self._user_agent, "Accept-Encoding": "identity"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        # Lines of a watch are as long as objects; what is read at once is decoded at once.
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str, query: Mapping[str, str], accept: str) -> bytes:
        """The body of the answer. Raises Unanswered."""
        async with self._request("GET", path, _READ_S, params=query, headers={"Accept": accept}) as response:
            return await response.read()

    async def post(self, path: str, body: bytes) -> None:
        """Create an object from its JSON. Raises Unanswered."""
        await self._write("POST", path, body, "application/json")

    async def patch(self, path: str, body: bytes) -> None:
        """Change fields of an object (RFC 7396). Raises Unanswered."""
        await self._write("PATCH", path, body, "application/merge-patch+json")

    async def _write(self, method: str, path: str, body: bytes, content_type: str) -> None:
        async with self._request(method, path, _READ_S, data=body, headers={"Content-Type": content_type}) as response:
            await response.read()

    async def stream(
        self, path: str, query: Mapping[str, str], accept: str, timeout_s: float
    ) -> AsyncGenerator[list[bytes], None]:
        """The complete lines of a stream, as many at a time as have come; it ends as the server ends it. Raises Unanswered.

        None at first: the server has accepted. What is left of a line when the stream breaks off is no line.
        """
        read_s = timeout_s + _GRACE_S
        async with self._request("GET", path, read_s, params=query, headers={"Accept": accept}) as response:
            buffer = LineBuffer()
            yield []
            async for chunk in response.content.iter_any():
                if lines := buffer.feed(chunk):
                    yield lines

    @contextlib.asynccontextmanager
    async def _request(
        self, method: str, path: str, read_s: float, *, headers: Mapping[str, str], **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None
        access = await self._current()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=read_s)
        try:
            async with self._session.request(
                method,
                access.server + path,
                headers=[*access.headers.items(), *access.impersonation, *headers.items()],
                ssl=access.tls,
                server_hostname=access.server_hostname,
                proxy=access.proxy,
                timeout=timeout,
                **more,
            ) as response:
                if response.status >= 400:
                    raise Unanswered(await self._failure(response, access.server, path))
                yield response
        except ssl.SSLError as error:
            self._access.refused()
            raise Unanswered(Failure(_unreachable(access, error))) from error
        except aiohttp.ClientConnectorCertificateError as error:
            self._access.refused()
            raise Unanswered(Failure(f"{access.server}: its certificate is not trusted: {error}")) from error
        except TimeoutError as error:
            raise Unanswered(Failure(f"{access.server}: nothing was heard for {read_s:.0f} s")) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(Failure(_unreachable(access, error))) from error

    async def _current(self) -> Access:
        try:
            return await self._access.current()
        except ClusterError as error:
            raise Unanswered(Failure(str(error))) from error

    async def _failure(self, response: aiohttp.ClientResponse, server: str, path: str) -> Failure:
        if response.status == 401:
            self._access.refused()
        said = read_status(await response.read(), response.status, f"{path}: HTTP {response.status}")
        wait = response.headers.get("Retry-After", "")
        retry_after_s = max(said.retry_after_s, float(wait) if wait.isdecimal() else 0.0)
        return Failure(said.message, response.status, said.reason, retry_after_s, server)


def _unreachable(access: Access, error: BaseException) -> str:
    return f"{access.server}: {error or type(error).__name__}"


def _keepalive_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
