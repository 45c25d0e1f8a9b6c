"""An API server that does what a real one does, in this process, and everything that goes wrong on request.

It knows lists with pages, watches with bookmarks, WatchList, metadata-only forms, namespaces and label selectors; and it fails in
the ways of `Fault`. What it answers is what kube-apiserver answers; tests/kube runs the same tests against a real one.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .fake_store import API_VERSIONS, Change, Expired, FakeStore, Json, encode, selects
from .fake_writer import Writer

GROUPS = {"endpointslices": "discovery.k8s.io"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    status: int | None = None
    reason: str = "InternalError"
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
    resource: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    extra: deque[Json] = field(default_factory=deque)
    ended: bool = False


class FakeApiServer:
    """Listens on loopback."""

    def __init__(self, store: FakeStore | None = None) -> None:
        self.store = store or FakeStore()
        self.faults: dict[str, deque[Fault]] = {resource: deque() for resource in API_VERSIONS}
        self.denied: set[str] = set()
        self.tokens: set[str] | None = None
        self.can_watch_list = True
        self.gone_as_status = False
        self.initial_bookmark = True
        """Whether WatchList ends with its bookmark; a server that knows nothing of it would not send one."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: list[Mapping[str, str]] = []
        self.url = ""
        self._pages: dict[str, tuple[int, list[Json]]] = {}
        self._watchers: set[_Watcher] = set()
        app = web.Application()
        for root in ("/api/v1", "/apis/discovery.k8s.io/v1"):
            for scope in ("", "/namespaces/{namespace}"):
                app.router.add_get(f"{root}{scope}/{{resource}}", self._get)
                app.router.add_post(f"{root}{scope}/{{resource}}", self._post)
                app.router.add_put(f"{root}{scope}/{{resource}}/{{name}}", self._put)
                app.router.add_patch(f"{root}{scope}/{{resource}}/{{name}}", self._patch)
                app.router.add_delete(f"{root}{scope}/{{resource}}/{{name}}", self._delete)
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
        found = [watcher for watcher in self._watchers if resource in (None, watcher.resource)]
        for watcher in found:
            watcher.ended = True
            watcher.woken.set()
            self._watchers.discard(watcher)
        return found

    def say(self, resource: str, event: Json) -> None:
        """Put an event of one's own into the open watches of a collection."""
        for watcher in self._watchers:
            if watcher.resource == resource:
                watcher.extra.append(event)
                watcher.woken.set()

    def bookmark(self, resource: str) -> None:
        """Send a bookmark to the open watches of a collection."""
        self.say(resource, _bookmark(resource, self.store.revision))

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
        if (refusal := self._refuse(request, resource, "watch" if watching else "list")) is not None:
            return refusal
        fault = self.faults[resource].popleft() if self.faults[resource] else Fault()
        await asyncio.sleep(fault.slow_s)
        if fault.status is not None:
            return _status(fault.status, fault.reason, f"{fault.reason} on request", fault.retry_after_s)
        if fault.silent:
            await asyncio.Event().wait()
        answer = self._watch if watching else self._list
        return await answer(request, resource, query, Writer(request, fault.cut_after))

    def _refuse(self, request: web.Request, resource: str, verb: str) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens is not None and token not in self.tokens:
            return _status(401, "Unauthorized", "Unauthorized")
        if resource not in API_VERSIONS:
            return _status(404, "NotFound", "the server could not find the requested resource")
        if resource in self.denied:
            namespace = request.match_info.get("namespace")
            where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
            return _status(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "system:serviceaccount:trimtab:trimtab" cannot {verb} resource '
                f'"{resource}" in API group "{GROUPS.get(resource, "")}" {where}',
            )
        return None

    async def _list(
        self, request: web.Request, resource: str, query: dict[str, str], writer: Writer
    ) -> web.StreamResponse:
        namespace, selector = request.match_info.get("namespace", ""), query.get("labelSelector", "")
        if token := query.get("continue"):
            if token not in self._pages:
                return _status(410, "Expired", "The provided continue parameter is too old")
            revision, items = self._pages.pop(token)
        else:
            revision, items = self.store.revision, list(self.store.list(resource, namespace, selector))
        limit = int(query.get("limit", "0")) or len(items)
        metadata: Json = {"resourceVersion": str(revision)}
        if rest := items[limit:]:
            metadata["continue"] = f"{resource}-{revision}-{len(rest)}"
            metadata["remainingItemCount"] = len(rest)
            self._pages[metadata["continue"]] = (revision, rest)
        partial = _wants_metadata(request)
        version, kind = ("meta.k8s.io/v1", "PartialObjectMetadata") if partial else API_VERSIONS[resource]
        # The items of a list do not say what they are; metadata-only ones do.
        shown = [_partial(item) if partial else _without_type(item) for item in items[:limit]]
        body = encode({"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": shown})
        await writer.write(body)
        return await writer.end()

    def forget(self) -> None:
        """Compact: old resource versions and open lists are gone."""
        self.store.compact()
        self._pages.clear()

    async def _watch(
        self, request: web.Request, resource: str, query: dict[str, str], writer: Writer
    ) -> web.StreamResponse:
        initial = query.get("sendInitialEvents") == "true"
        if initial and not self.can_watch_list:
            message = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            return _status(
                422, "Invalid", f"ListOptions.meta.k8s.io is invalid: sendInitialEvents: Forbidden: {message}"
            )
        namespace, selector = request.match_info.get("namespace", ""), query.get("labelSelector", "")
        shape: Callable[[Json], Json] = _partial if _wants_metadata(request) else dict
        watcher = _Watcher(request, resource)
        revision = self.store.revision if initial else int(query["resourceVersion"])
        if not initial and (gone := self._is_gone(revision)) is not None:
            if self.gone_as_status:
                return gone
            await writer.event({"type": "ERROR", "object": _status_object(410, "Expired", "too old resource version")})
            return await writer.end()
        self._watchers.add(watcher)
        try:
            await writer.start()
            if initial:
                for item in self.store.list(resource, namespace, selector):
                    await writer.event({"type": "ADDED", "object": shape(item)})
                if self.initial_bookmark:
                    await writer.event(_bookmark(resource, revision, initial_end=True))
            async with asyncio.timeout(float(query.get("timeoutSeconds", "1800"))):
                async for event in self._events(watcher, revision, namespace, selector, shape):
                    await writer.event(event)
        except TimeoutError:
            pass
        finally:
            self._watchers.discard(watcher)
        return await writer.end()

    def _is_gone(self, revision: int) -> web.Response | None:
        try:
            self.store.since(revision)
        except Expired:
            return _status(410, "Expired", f"too old resource version: {revision}")
        return None

    async def _events(
        self, watcher: _Watcher, revision: int, namespace: str, selector: str, shape: Callable[[Json], Json]
    ) -> AsyncIterator[Json]:
        while not watcher.ended:
            watcher.woken.clear()
            while watcher.extra:
                yield watcher.extra.popleft()
            try:
                changes = list(self.store.since(revision))
            except Expired:
                yield {"type": "ERROR", "object": _status_object(410, "Expired", "too old resource version")}
                return
            for change in changes:
                revision = change.revision
                if (event := _event(change, watcher.resource, namespace, selector)) is not None:
                    yield {"type": event, "object": shape(change.item)}
            await watcher.woken.wait()

    async def _post(self, request: web.Request) -> web.StreamResponse:
        return await self._write(request, "create", 201)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        return await self._write(request, "update", 200)

    async def _write(self, request: web.Request, verb: str, status: int) -> web.StreamResponse:
        resource = request.match_info["resource"]
        if (refusal := self._refuse(request, resource, verb)) is not None:
            return refusal
        if self.faults[resource]:
            fault = self.faults[resource].popleft()
            return _status(fault.status or 500, fault.reason, f"{fault.reason} on request", fault.retry_after_s)
        item = await request.json()
        metadata = item["metadata"]
        if namespace := request.match_info.get("namespace"):
            metadata["namespace"] = namespace
        if (
            verb == "create"
            and (metadata.get("namespace", ""), metadata.get("name", "")) in self.store.objects[resource]
        ):
            return _status(409, "AlreadyExists", f'{resource} "{metadata["name"]}" already exists')
        if resource == "events" and (wrong := _wrong_event(item)) is not None:
            return _status(422, "Invalid", f'Event "{metadata["name"]}" is invalid: {wrong}')
        if "generateName" in metadata and "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{self.store.revision}"
        stored = self.store.put(item)
        self._wake()
        return web.Response(body=encode(stored), status=status, content_type="application/json")

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        """A merge patch of the fields at the top."""
        match = request.match_info
        if (refusal := self._refuse(request, match["resource"], "patch")) is not None:
            return refusal
        if request.content_type != "application/merge-patch+json":
            return _status(415, "UnsupportedMediaType", f"{request.content_type} is not supported here")
        before = self.store.objects[match["resource"]].get((match.get("namespace", ""), match["name"]))
        if before is None:
            return _status(404, "NotFound", f'{match["resource"]} "{match["name"]}" not found')
        stored = self.store.put({**before, **await request.json()})
        self._wake()
        return web.Response(body=encode(stored), content_type="application/json")

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        if (refusal := self._refuse(request, match["resource"], "delete")) is not None:
            return refusal
        try:
            self.delete(match["resource"], match.get("namespace", ""), match["name"])
        except KeyError:
            return _status(404, "NotFound", f'{match["resource"]} "{match["name"]}" not found')
        return web.Response(body=encode(_status_object(200, "", "")), content_type="application/json")


def _wrong_event(item: Json) -> str | None:
    """What an API server minds about an Event of core/v1 (kubernetes/pkg/apis/core/validation/events.go)."""
    if item["involvedObject"].get("namespace") != item["metadata"]["namespace"]:
        return "involvedObject.namespace: Invalid value: does not match event.namespace"
    if len(item["message"].encode()) > 1024:
        return "message: Invalid value: can have at most 1024 characters"
    return None


def _event(change: Change, resource: str, namespace: str, selector: str) -> str | None:
    """What a watch calls this change; None: nothing, for it does not concern what is watched."""
    if change.resource != resource or (namespace and change.item["metadata"].get("namespace") != namespace):
        return None
    now = change.type != "DELETED" and selects(selector, change.item)
    before = change.before is not None and selects(selector, change.before)
    if now:
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else None


def _wants_metadata(request: web.Request) -> bool:
    return "as=PartialObjectMetadata" in request.headers.get("Accept", "")


def _partial(item: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def _without_type(item: Json) -> Json:
    return {name: value for name, value in item.items() if name not in ("kind", "apiVersion")}


def _bookmark(resource: str, revision: int, *, initial_end: bool = False) -> Json:
    version, kind = API_VERSIONS[resource]
    metadata: Json = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    rest: Json = {"addressType": "", "endpoints": None, "ports": None} if kind == "EndpointSlice" else {"spec": {}}
    return {"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": version, "metadata": metadata, **rest}}


def _status_object(code: int, reason: str, message: str, retry_after_s: int | None = None) -> Json:
    outcome = "Success" if code < 400 else "Failure"
    status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": outcome}
    details = {"details": {"retryAfterSeconds": retry_after_s}} if retry_after_s is not None else {}
    return {**status, "message": message, "reason": reason, "code": code, **details}


def _status(code: int, reason: str, message: str, retry_after_s: int | None = None) -> web.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    body = encode(_status_object(code, reason, message, retry_after_s))
    return web.Response(status=code, body=body, content_type="application/json", headers=headers)


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
