"""One collection followed over the network: the loop around a reflector."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable

import structlog

from ..kubernetes import Object
from .api_client import ApiClient
from .kinds import Kind
from .messages import Event, Failure, Unanswered, Unusable, read_event, read_page
from .reflector import Ask, News, Reflector

log = structlog.get_logger(__name__)

DENIED_RETRY_S = 60.0
"""How often to ask again for what is not permitted, or not there, and not needed."""


class Feed:
    """Follows one kind in one namespace, or in all of them, for as long as it runs."""

    def __init__(
        self,
        kind: Kind,
        client: ApiClient,
        deliver: Callable[[News], None],
        *,
        namespace: str = "",
        selector: str = "",
        known: Iterable[Object] = (),
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self._client = client
        self._clock = clock
        self._deliver = deliver
        self._selector = selector if kind.labelled_with_service else ""
        rng = rng or random.Random()
        self.reflector = Reflector(rng, kind.page_size, known)
        self.settled = asyncio.Event()
        """Everything was looked at once, or cannot be had and is not needed."""
        self.heard_at = self._clock()
        """When the server last answered anything."""
        self.problem: str | None = None
        """Why nothing is heard; None: all is well."""
        self.open_since: float | None = None
        """Since when a watch tells what happens; None: what happens now will be heard of later."""
        self.looks = 0
        """How often everything was looked at."""
        self._turn: asyncio.Task[float] | None = None

    def __repr__(self) -> str:
        return f"<Feed of {self.kind.resource} in {self.namespace or 'all namespaces'}: {self.problem or 'well'}>"

    async def run(self) -> None:
        """Follow without end."""
        while True:
            self._turn = asyncio.ensure_future(self._take_turn())
            try:
                await asyncio.wait([self._turn])
            finally:
                self._turn.cancel()
            await asyncio.sleep(0.0 if self._turn.cancelled() else self._turn.result())

    def look_again(self) -> None:
        """List everything anew, consistently; what is known meanwhile stays."""
        self.reflector.look_again()
        if self._turn is not None:
            self._turn.cancel()

    async def _take_turn(self) -> float:
        """One request, and how long to wait before the next, in seconds."""
        ask = self.reflector.ask()
        began = self._clock()
        try:
            if not ask.stream:
                await self._list(ask)
                return 0.0
            await self._watch(ask)
        except Unanswered as error:
            if self.heard_at > began and error.failure.status is None:
                # As load balancers do to what is open for long; the next attempt tells whether it means anything.
                log.debug("watch broke off", resource=self.kind.resource, why=error.failure.message)
                return self.reflector.failed(error.failure)
            return self._failed(error.failure)
        return self.reflector.ended(self._clock() - began)

    async def _list(self, ask: Ask) -> None:
        data = await self._client.get(self._path(), self._query(ask), self.kind.accept(stream=False))
        page = read_page(self.kind, data)
        for unusable in page.unusable:
            log.warning("object passed over, what was known of it stays", why=unusable.why)
        self._hear()
        self._tell(self.reflector.page(page))

    async def _watch(self, ask: Ask) -> None:
        stream = self._client.stream(self._path(), self._query(ask), self.kind.accept(stream=True), ask.timeout_s)
        try:
            async with contextlib.aclosing(stream):
                async for lines in stream:
                    self._take_in(lines)
                    # However much has come: others run in between.
                    await asyncio.sleep(0)
        finally:
            self.open_since = None

    def _take_in(self, lines: Iterable[bytes]) -> None:
        self._hear()
        events, failure = self._read(lines)
        if events:
            self._tell(self.reflector.events(events))
        if self.open_since is None and self.reflector.following:
            self.open_since = self._clock()
        if failure is not None:
            raise Unanswered(failure)

    def _read(self, lines: Iterable[bytes]) -> tuple[list[Event], Failure | None]:
        """The events of some lines, up to one that ends the stream."""
        events: list[Event] = []
        for line in lines:
            try:
                event = read_event(self.kind, line)
            except Unanswered as error:
                return events, error.failure
            if isinstance(event, Unusable):
                log.warning("object passed over, what was known of it stays", why=event.why)
            events.append(event)
        return events, None

    def _path(self) -> str:
        return self.kind.path(self.namespace)

    def _query(self, ask: Ask) -> dict[str, str]:
        return {**ask.query, "labelSelector": self._selector} if self._selector else dict(ask.query)

    def _tell(self, news: News | None) -> None:
        if news is None:
            return
        if news.complete:
            self.looks += 1
        if news.complete or self.reflector.unconfirmed:
            if not news.complete and not self.settled.is_set():
                log.warning("served is what the API server has in its cache", resource=self.kind.resource)
            self.settled.set()
        self._deliver(news)

    def _hear(self) -> None:
        self.heard_at = self._clock()
        if self.problem is not None:
            log.info("heard again", resource=self.kind.resource, namespace=self.namespace or "all")
            self.problem = None

    def _failed(self, failure: Failure) -> float:
        # While looking there is no thread: a server that is behind then, in its cache, is one that is not heard.
        if failure.expired and (self.reflector.following or failure.status == 410):
            log.info("lost the thread, looking at everything again", resource=self.kind.resource)
            return self.reflector.failed(failure)
        denied = failure.status in (403, 404)
        problem = self._denied(failure) if denied else failure.message
        if problem != self.problem:
            say = log.error if denied and not self.kind.without else log.warning
            say("not heard, what is known stays", resource=self.kind.resource, why=problem)
            self.problem = problem
        delay_s = self.reflector.failed(failure)
        if denied and self.kind.without:
            self.settled.set()
            return max(delay_s, DENIED_RETRY_S)
        return delay_s

    def _denied(self, failure: Failure) -> str:
        without = f"; without it {self.kind.without}" if self.kind.without else ""
        if failure.status == 404:
            return (
                f"the API server at {failure.server} does not serve {self.kind.resource} ({failure.message}); "
                f"is {failure.server} a Kubernetes API?{without}"
            )
        where = f" in namespace {self.namespace}" if self.namespace else ""
        role = "Role" if self.namespace and self.kind.namespaced else "ClusterRole"
        return (
            f"no permission to follow {self.kind.resource}{where} ({failure.message}); "
            f"add this rule to the {role}: {self.kind.rule()}{without}"
        )
