"""An API server as tests use it, whichever it is: a real one or the pretended one."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from trimtab.control.kube.access import Access, AccessSource

ADMIN, TRIMTAB = "admin-token", "trimtab-token"
USERS = {ADMIN: "admin", TRIMTAB: "trimtab"}
"""By their tokens: one who may do everything, and one who may nothing until a role says so."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Json


@dataclass
class ApiServer:
    """A running API server. What its `folder` has in `ca.crt` vouches for it."""

    url: str
    tls: ssl.SSLContext
    folder: Path

    async def restart(self) -> None:
        """Stop it, without a word to anybody, and start it again; what was written is there, and how it came to be is not."""
        raise NotImplementedError

    def access(self, token: str = ADMIN) -> AccessSource:
        return AccessSource(lambda _: Access(self.url, self.tls, {"Authorization": f"Bearer {token}"}))

    async def ask(
        self, method: str, path: str, body: Json | None = None, *, token: str = ADMIN, **headers: str
    ) -> Answer:
        """One request, and what came of it."""
        sent = {"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=sent, ssl=self.tls) as response,
        ):
            text = await response.read()
            try:
                said = msgspec.json.decode(text, type=Json)
            except msgspec.DecodeError:
                said = {"message": text.decode(errors="replace")}
            return Answer(response.status, response.headers, said)

    @contextlib.asynccontextmanager
    async def watch(self, path: str, *, accept: str = "application/json") -> AsyncIterator[AsyncIterator[Json]]:
        """The events of a watch, until the server ends it."""
        headers = {"Authorization": f"Bearer {ADMIN}", "Accept": accept}
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url + path, headers=headers, ssl=self.tls) as response,
        ):
            assert response.status == 200, await response.text()
            yield (msgspec.json.decode(line, type=Json) async for line in response.content)

    async def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request as an administrator. Raises AssertionError with what the server said."""
        content_type = {"Content_Type": "application/merge-patch+json"} if method == "PATCH" else {}
        answer = await self.ask(method, path, body, **content_type)
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.body}"
        return answer.body

    async def put(self, item: Json) -> Json:
        """Create an object, or replace it."""
        answer = await self.ask("POST", collection(item), item)
        if answer.status == 409:
            return await self.replace(item)
        assert answer.status < 400, f"POST {collection(item)}: {answer.status} {answer.body}"
        return answer.body

    async def replace(self, item: Json) -> Json:
        """Replace an object, whatever its version is by now."""
        return await self.request("PUT", f"{collection(item)}/{item['metadata']['name']}", item)

    async def delete(self, item: Json) -> None:
        await self.request("DELETE", f"{collection(item)}/{item['metadata']['name']}")


def collection(item: Json) -> str:
    """The path of the collection that an object belongs to."""
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = item["kind"].lower() + "s"
    namespace = item["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
