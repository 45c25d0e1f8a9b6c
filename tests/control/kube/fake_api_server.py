"""An API server that does what a real one does, in this process, and everything that goes wrong on request.

It knows lists with pages, watches with bookmarks, WatchList, metadata-only forms, namespaces, label selectors, roles and tokens; and
it fails in the ways of `Fault`. What it answers is what kube-apiserver answers; tests/kube runs the same tests against both.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .fake_access import Access
from .fake_ask import Ask, without_type
from .fake_pages import Pages
from .fake_status import (
    Refused,
    expired,
    invalid,
    invalid_options,
    no_such_resource,
    not_found,
    too_large,
    too_many_requests,
    unknown_patch,
)
from .fake_store import API_VERSIONS, Expired, FakeStore, Json, encode
from .fake_writer import Writer
from .fake_writes import create, delete, patch, replace

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    status: int | None = None
    reason: str = ""
    """Empty: the one that goes with the status."""
    cause: str = ""
    """What a Status says besides its reason."""
    plain: bool = False
    """With 429: as a text, the way of priority and fairness, and not as a Status, which storage sends that is not ready yet."""
    retry_after_s: int | None = None
    cut_after: int | None = None
    """The connection breaks after so many bytes of the body."""
    silent: bool = False
    """The connection stays open and nothing comes: half-open, as far as a client can tell."""
    slow_s: float = 0.0
    """The answer takes its time."""


@dataclass(eq=False)
class _Watcher:
    request: web.Request
    ask: Ask
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    extra: deque[Json] = field(default_factory=deque)
    ended: bool = False


class FakeApiServer:
    """Listens on loopback."""

    def __init__(self, store: FakeStore | None = None) -> None:
        self.store = store or FakeStore()
        self.faults: dict[str, deque[Fault]] = {resource: deque() for resource in API_VERSIONS}
        self.access = Access(self.store)
        self.can_watch_list = True
        self.gone_as_status = False
        self.initial_bookmark = True
        """Whether WatchList ends with its bookmark; a server that knows nothing of it would not send one."""
        self.refuses_consistent_reads = False
        """Whether it is so busy that it answers only what its cache can."""
        self._cache: tuple[int, dict[str, list[Json]]] | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: list[Mapping[str, str]] = []
        self.url = ""
        self._pages = Pages(self.store)
        self._watchers: set[_Watcher] = set()
        app = web.Application(middlewares=[_refusing])
        app.router.add_get("/readyz", self._readyz)
        for root in dict.fromkeys(map(_root, API_VERSIONS)):
            for scope in ("", "/namespaces/{namespace}"):
                collection = f"{root}{scope}/{{resource}}"
                app.router.add_get(collection, self._get)
                app.router.add_post(collection, self._post)
                app.router.add_get(f"{collection}/{{name}}", self._read)
                app.router.add_put(f"{collection}/{{name}}", self._put)
                app.router.add_patch(f"{collection}/{{name}}", self._patch)
                app.router.add_patch(f"{collection}/{{name}}/{{subresource:status}}", self._patch)
                app.router.add_delete(f"{collection}/{{name}}", self._delete)
                app.router.add_post(f"{collection}/{{name}}/{{subresource:token}}", self._token)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        self.cut()
        await self._runner.cleanup()

    # What tests do to it

    def put(self, *items: Json) -> None:
        """Create or replace objects, and tell watchers."""
        for item in items:
            self.store.put(item)
        self._wake()

    def delete(self, resource: str, namespace: str, name: str) -> None:
        self.store.delete(resource, namespace, name)
        self._wake()

    def fail(self, resource: str, *faults: Fault) -> None:
        """Let the next requests for a collection fail, one fault each."""
        self.faults[resource].extend(faults)

    def cut(self, resource: str | None = None) -> None:
        """Break the open watches."""
        for watcher in self._take_watchers(resource):
            if watcher.request.transport is not None:
                watcher.request.transport.abort()

    def end(self, resource: str | None = None) -> None:
        """End the open watches as their timeout would."""
        self._take_watchers(resource)

    def _take_watchers(self, resource: str | None) -> list[_Watcher]:
        found = [watcher for watcher in self._watchers if resource in (None, watcher.ask.resource)]
        for watcher in found:
            watcher.ended = True
            watcher.woken.set()
            self._watchers.discard(watcher)
        return found

    def freeze_cache(self) -> None:
        """What is listed from the cache stays as it is now."""
        self._cache = (self.store.revision, {name: list(self.store.list(name, "", "")) for name in API_VERSIONS})

    def say(self, resource: str, event: Json) -> None:
        """Put an event of one's own into the open watches of a collection."""
        for watcher in self._watchers:
            if watcher.ask.resource == resource:
                watcher.extra.append(event)
                watcher.woken.set()

    def bookmark(self, resource: str) -> None:
        """Send a bookmark to the open watches of a collection."""
        for watcher in self._watchers:
            if watcher.ask.resource == resource:
                watcher.extra.append(watcher.ask.bookmark(self.store.revision))
                watcher.woken.set()

    @property
    def watches(self) -> int:
        return len(self._watchers)

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.woken.set()

    # What it answers

    async def _get(self, request: web.Request) -> web.StreamResponse:
        resource, query = request.match_info["resource"], dict(request.query)
        self.requests.append((request.path, query))
        self.headers.append(request.headers)
        watching = query.get("watch") == "true"
        namespace = self._check(request, "watch" if watching else "list")
        fault = self.faults[resource].popleft() if self.faults[resource] else Fault()
        await asyncio.sleep(fault.slow_s)
        if fault.status is not None:
            return _failed(fault)
        if fault.silent:
            await asyncio.Event().wait()
        ask = Ask(resource, namespace, query, partial="as=PartialObjectMetadata" in request.headers.get("Accept", ""))
        ask.check()
        if self.refuses_consistent_reads and not query.get("resourceVersion"):
            return too_many_requests(1)
        answer = self._watch if watching else self._list
        return await answer(request, ask, Writer(request, fault.cut_after))

    def _check(self, request: web.Request, verb: str) -> str:
        """The namespace that is meant. Raises Refused."""
        match = request.match_info
        resource, namespace, name = match["resource"], match.get("namespace", ""), match.get("name", "")
        subresource = match.get("subresource")
        known = request.path.startswith(f"{_root(resource)}/") if resource in API_VERSIONS else False
        authorization = request.headers.get("Authorization", "")
        if not known:
            self.access.authenticate(authorization)
            raise no_such_resource()
        what = f"{resource}/{subresource}" if subresource else resource
        self.access.check(authorization, verb, what, namespace, name)
        return namespace

    async def _list(self, request: web.Request, ask: Ask, writer: Writer) -> web.StreamResponse:
        if ask.version > self.store.revision:
            raise too_large(ask.version, self.store.revision)
        limit, token = int(ask.query.get("limit", "0")), ask.query.get("continue", "")
        if ask.query.get("resourceVersion") == "0" and self._cache is not None:
            revision, cached = self._cache
            metadata: Json = {"resourceVersion": str(revision)}
            items: Sequence[Json] = cached[ask.resource]
        else:
            metadata, items = self._pages.read(ask.resource, ask.namespace, ask.selector, limit, token)
        version, kind = ("meta.k8s.io/v1", "PartialObjectMetadata") if ask.partial else API_VERSIONS[ask.resource]
        # The items of a list do not say what they are; metadata-only ones do.
        shown = [ask.shape(item) if ask.partial else without_type(item) for item in items if ask.is_about(item)]
        await writer.write(encode({"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": shown}))
        return await writer.end()

    def forget(self) -> None:
        """Compact: old resource versions and open lists are gone."""
        self.store.compact()
        self._pages.forget()

    async def _watch(self, request: web.Request, ask: Ask, writer: Writer) -> web.StreamResponse:
        initial = ask.query.get("sendInitialEvents") == "true"
        if initial and not self.can_watch_list:
            why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise invalid_options("sendInitialEvents", why)
        # What is asked from no version is the same by another name.
        whole = initial or not ask.version
        revision = self.store.revision if whole else ask.version
        watcher = _Watcher(request, ask)
        if not whole and revision < self.store.oldest:
            gone = expired(revision, self.store.oldest)
            if self.gone_as_status:
                raise gone
            await writer.event({"type": "ERROR", "object": gone.status})
            return await writer.end()
        self._watchers.add(watcher)
        try:
            await writer.start()
            if whole:
                for item in self.store.list(ask.resource, ask.namespace, ask.selector):
                    await writer.event({"type": "ADDED", "object": ask.shape(item)})
            marks = self.can_watch_list and self.initial_bookmark and ask.query.get("allowWatchBookmarks") == "true"
            if whole and marks:
                await writer.event(ask.bookmark(revision, initial_end=True))
            async with asyncio.timeout(float(ask.query.get("timeoutSeconds", "1800"))):
                async for event in self._events(watcher, revision):
                    await writer.event(event)
        except TimeoutError:
            pass
        finally:
            self._watchers.discard(watcher)
        return await writer.end()

    async def _events(self, watcher: _Watcher, revision: int) -> AsyncIterator[Json]:
        ask = watcher.ask
        while not watcher.ended:
            watcher.woken.clear()
            while watcher.extra:
                yield watcher.extra.popleft()
            try:
                changes = list(self.store.since(revision))
            except Expired:
                yield {"type": "ERROR", "object": expired(revision, self.store.oldest).status}
                return
            for change in changes:
                revision = change.revision
                if (event := ask.event(change)) is not None:
                    yield event
            await watcher.woken.wait()

    async def _read(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        key = (self._check(request, "get"), match["name"])
        found = self.store.objects[match["resource"]].get(key)
        if found is None:
            raise not_found(match["resource"], match["name"])
        return _json(found)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        resource, namespace = request.match_info["resource"], self._check(request, "create")
        if self.faults[resource]:
            return _failed(self.faults[resource].popleft())
        return self._written(create(self.store, resource, namespace, await request.json()), 201)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        key = (self._check(request, "update"), match["name"])
        return self._written(replace(self.store, match["resource"], key, await request.json()))

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        key = (self._check(request, "patch"), match["name"])
        if request.content_type != "application/merge-patch+json":
            raise unknown_patch()
        change, status = await request.json(), match.get("subresource") == "status"
        return self._written(patch(self.store, match["resource"], key, change, status=status))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        key = (self._check(request, "delete"), match["name"])
        return self._written(delete(self.store, match["resource"], key))

    async def _token(self, request: web.Request) -> web.StreamResponse:
        """A TokenRequest of authentication.k8s.io/v1."""
        match = request.match_info
        namespace, name = self._check(request, "create"), match["name"]
        if (namespace, name) not in self.store.objects["serviceaccounts"]:
            raise not_found("serviceaccounts", name)
        asked = await request.json()
        expiration_s = asked["spec"].get("expirationSeconds", 3600)
        if expiration_s < 600:
            why = f"Invalid value: {expiration_s}: may not specify a duration less than 10 minutes"
            raise invalid("TokenRequest.authentication.k8s.io", "", "spec.expirationSeconds", why)
        token = self.access.token_for(namespace, name)
        return _json({**asked, "status": {"token": token}}, 201)

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    def _written(self, item: Json, status: int = 200) -> web.Response:
        self._wake()
        return _json(item, status)


def _root(resource: str) -> str:
    version = API_VERSIONS[resource][0]
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _json(item: Json, status: int = 200) -> web.Response:
    return web.Response(body=encode(item), status=status, content_type="application/json")


def _failed(fault: Fault) -> web.Response:
    code = fault.status or 500
    if code == 429 and fault.plain:
        return too_many_requests(fault.retry_after_s or 1)
    details: Json = {} if fault.retry_after_s is None else {"retryAfterSeconds": fault.retry_after_s}
    if fault.cause:
        details["causes"] = [{"reason": fault.cause}]
    return Refused(code, "as it was requested", fault.reason, details=details).response()


@web.middleware
async def _refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return refused.response()


@contextlib.asynccontextmanager
async def fake_api_server(*items: Json, **more: Any) -> AsyncIterator[FakeApiServer]:
    """A server with these objects in it."""
    server = FakeApiServer()
    server.put(*items)
    await server.start(**more)
    try:
        yield server
    finally:
        await server.stop()
