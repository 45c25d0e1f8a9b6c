"""Raises Events about wrong policies, at the API server that the Services came from."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec
import structlog

from ...xds.backoff import Backoff
from ..kubernetes import Service
from ..references import ServiceKey
from .api_client import ApiClient
from .events import EventBook, Occurrence, event, once_more
from .messages import NAMESPACE_TERMINATING, Failure, Unanswered

log = structlog.get_logger(__name__)

_DENIED_RETRY_S = 300.0
"""A permission may be granted any time."""
_RULE = '{apiGroups: [""], resources: ["events"], verbs: ["create", "patch"]}'
_HOPELESS = frozenset({400, 404, 413, 422})
"""The request will not do, or its namespace is gone: another try would end as this one did."""


class EventSender:
    """Says what is observed, as fast as may be. Nothing depends on it."""

    def __init__(self, client: ApiClient, find: Callable[[ServiceKey], Service | None]) -> None:
        self._client = client
        self._find = find
        self._book = EventBook()
        self._woken = asyncio.Event()
        self._backoff = Backoff(random.Random())
        self.raised = 0
        """How many Events there were, repetitions included."""
        self.problem = ""
        """Why Events cannot be raised; empty: they can, as far as known."""

    def observe(self, problems: Mapping[ServiceKey, str]) -> None:
        """These are all the problems there are now."""
        self._book.observe(problems, time.monotonic())
        self._woken.set()

    async def run(self) -> None:
        """Raise what is due until cancelled; the client must be open."""
        while True:
            if (occurrence := self._book.next(time.monotonic())) is not None:
                try:
                    await self._raise(occurrence)
                except Exception:
                    log.exception("event could not be raised", service=occurrence.service)
                continue
            try:
                async with asyncio.timeout(self._book.wait_s(time.monotonic())):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _raise(self, occurrence: Occurrence) -> None:
        service = self._find(occurrence.service)
        if service is None:
            return
        try:
            await self._send(service, occurrence)
        except Unanswered as error:
            delay_s = self._failed(error.failure)
            if delay_s is not None:
                self._book.failed(occurrence, time.monotonic() + delay_s)
                # Whatever else is due would end like this.
                await asyncio.sleep(delay_s)
        else:
            self.raised += 1
            self.problem = ""
            self._backoff.reset()

    async def _send(self, service: Service, occurrence: Occurrence) -> None:
        now = datetime.now(UTC)
        item = event(service, occurrence.problem, now)
        collection = f"/api/v1/namespaces/{service.metadata.namespace}/events"
        try:
            await self._client.post(collection, msgspec.json.encode(item))
        except Unanswered as error:
            if error.failure.status != 409:
                raise
            # Another replica raised it, or this one half an hour ago.
            path = f"{collection}/{item['metadata']['name']}"
            await self._client.patch(path, msgspec.json.encode(once_more(occurrence.count, now)))

    def _failed(self, failure: Failure) -> float | None:
        """After how many seconds to try again; None: never."""
        if failure.reason == NAMESPACE_TERMINATING or failure.status in _HOPELESS:
            log.warning("event refused", why=failure.message)
            return None
        if failure.status == 403:
            problem = f"no permission to raise Events ({failure.message}); add this rule to the ClusterRole: {_RULE}"
            if not self.problem:
                log.warning("events cannot be raised, policies that are refused are only logged", why=problem)
            self.problem = problem
            return _DENIED_RETRY_S
        return max(failure.retry_after_s, self._backoff.next_s())
