"""The control plane put together: source ▸ catalog ▸ store ▸ streams, and admin beside them."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog

from ..errors import TrimtabError
from ..model import ServiceRef
from . import garbage
from .admin import AdminServer
from .catalog import Catalog, Changes, ServiceKey
from .census import Census
from .certificates import Certificates
from .debug_pages import debug_pages
from .inspection import Inspection
from .kubernetes import Object, ObjectKey
from .metrics import Metrics
from .peers import Peers
from .policy_defaults import PolicyDefaults
from .policy_defaults_file import PolicyDefaultsFile
from .portions import portions
from .resource_store import ResourceStore
from .source import Source
from .status import nacked
from .xds_server import XdsServer

log = structlog.get_logger(__name__)

DRAIN_GRACE_S = 5.0
CENSUS_WARM_UP_S = 15.0
"""How long clients get to connect to a control plane that has just started, before they are counted."""
PEERS_ANSWER_S = 1.0
"""How long other replicas get to say since when endpoints are ready, before clients are told."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the truth is, and where to listen."""

    source: Source
    xds_host: str
    xds_port: int
    admin_host: str
    admin_port: int
    peers: tuple[str, ...] = ()
    """Other replicas of the control plane, HOST:PORT."""
    peer_service: ServiceRef | None = None
    """The service whose endpoints are the replicas of the control plane."""
    census_warm_up_s: float = CENSUS_WARM_UP_S
    certificates: Certificates | None = None
    """TLS on the xDS port, and between replicas; None: plain text."""
    policy_defaults: PolicyDefaultsFile | None = None


class ControlPlane:
    """Serves what one source tells until told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source = settings.source
        file = settings.policy_defaults
        self._catalog = Catalog(settings.source.readiness, None if file is None else file.defaults)
        self._census = Census()
        self._metrics = Metrics()
        self._store = ResourceStore(self._catalog, self._census, settings.source.progress)
        certificates = settings.certificates
        self._xds = XdsServer(self._store, self._census, self._metrics, certificates=certificates)
        security = None if certificates is None else certificates.channel_credentials
        self._peers = Peers(
            self._census, self._catalog, self._store, settings.peers, settings.peer_service, security=security
        )
        self._admin = AdminServer(self._metrics, self._not_ready, debug_pages(self._inspection()))
        self._last_change_at = 0.0
        self._loaded = False
        self._listening: dict[str, str] = {}
        self._stopping = False
        self._reported: dict[ServiceKey, str] = {}
        self._undivided: set[ServiceKey] = set()
        self._noted: dict[ServiceKey, str] = {}
        self._observe()

    def _inspection(self) -> Inspection:
        return Inspection(
            self._catalog,
            self._store,
            self._census,
            self._xds.sessions,
            not_ready=self._not_ready,
            source_problems=self._problems,
            last_change_at=lambda: self._last_change_at,
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain. Raises TrimtabError if it cannot start."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, stop.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._listen()
                own = [
                    tasks.create_task(task) for task in (self._follow(), self._warm_census(), self._follow_defaults())
                ]
                self._peers.start()
                await stop.wait()
                self._stopping = True
                log.info("draining", streams=len(self._xds.sessions))
                for task in own:
                    task.cancel()
                await self._peers.stop()
                await self._xds.stop(DRAIN_GRACE_S)
        except* TrimtabError as failed:
            raise failed.exceptions[0] from None
        finally:
            await self._xds.stop(None)
            await self._admin.stop()
        log.info("stopped")

    def _problems(self) -> Iterator[object]:
        """What is wrong with what this was given, policies aside."""
        yield from self._source.problems
        for part in (self._settings.certificates, self._settings.policy_defaults):
            if part is not None and part.problem:
                yield f"{part.refused}: {part.problem}"

    async def _listen(self) -> None:
        settings = self._settings
        xds_port = await self._xds.start(_authority(settings.xds_host, settings.xds_port))
        admin_port = await self._admin.start(settings.admin_host, settings.admin_port)
        self._listening = {
            "xds": _authority(settings.xds_host, xds_port),
            "admin": _authority(settings.admin_host, admin_port),
        }
        log.debug("listening, not serving yet", **self._listening)

    def _not_ready(self) -> str | None:
        if self._stopping:
            return "shutting down"
        return None if self._loaded else self._source.waiting_for

    async def _follow(self) -> None:
        garbage.pause()
        async with contextlib.aclosing(self._source.watch()) as following:
            async for news in following:
                for upserts, deletes in portions(news.upserts, news.deletes):
                    self._take_in(upserts, deletes)
                    await asyncio.sleep(0)
                if not self._loaded:
                    await self._peers.heard_out(PEERS_ANSWER_S)
                    await self._peers.prepare()
                    self._begin()
                self._report_policies()

    async def _follow_defaults(self) -> None:
        file = self._settings.policy_defaults
        if file is not None:
            async for defaults in file.follow():
                services = await self._adopt(defaults)
                log.info("policy defaults taken up", services_changed=services)

    async def _adopt(self, defaults: PolicyDefaults) -> int:
        changed = 0
        for changes in self._catalog.adopt(defaults):
            if changes:
                self._store.apply(changes)
                changed += 1
            await asyncio.sleep(0)
        self._report_policies()
        return changed

    def _take_in(self, upserts: Sequence[Object], deletes: Sequence[ObjectKey]) -> None:
        changes = self._catalog.apply(upserts, deletes)
        if self._loaded:
            self._report(changes)
        self._store.apply(changes)
        self._last_change_at = time.time()

    def _begin(self) -> None:
        """The first load is complete."""
        self._loaded = True
        garbage.resume()
        self._xds.complete()
        ports = self._catalog.service_ports()
        log.info(
            "serving",
            **self._listening,
            **self._source.where,
            service_ports=len(ports),
            endpoints=sum(len(port.assignment) for port in ports),
        )

    def _report(self, changes: Changes) -> None:
        for ref in sorted(changes, key=str):
            before, after = self._store.assignment(ref), changes[ref]
            # Every form of its name changes with a service; one line is enough.
            if after is not None and ref == after.ref:
                log.info("endpoints changed", service=str(ref), before=len(before or ()), after=len(after.assignment))
            elif after is None and before is not None and str(ref) == before.cluster:
                log.info("service gone", service=str(ref), before=len(before))

    def _report_policies(self) -> None:
        problems = self._catalog.problems
        for service, problem in problems.items():
            if self._reported.get(service) != problem:
                log.warning("policy refused, the last good one stays", problem=problem)
        undivided = self._catalog.undivided
        for service in undivided.keys() - self._undivided:
            log.warning("service is not divided", problem=undivided[service])
        self._undivided = set(undivided)
        notes = self._catalog.notes
        for service, note in notes.items():
            if self._noted.get(service) != note:
                log.warning("policy may not be what was meant", note=note)
        self._noted = dict(notes)
        if problems != self._reported:
            self._reported = dict(problems)
            self._source.report(problems)

    def _observe(self) -> None:
        catalog, observe = self._catalog, self._metrics.observe
        observe(
            "trimtab_last_change_timestamp_seconds",
            "When the last change was taken in, in seconds since 1970; 0: none was yet.",
            lambda: self._last_change_at,
        )
        self._metrics.observe_types(
            "trimtab_xds_rejected",
            "Streams whose client refuses the newest response, by resource type.",
            lambda type_url: nacked(self._xds.sessions, type_url),
        )
        observe("trimtab_service_ports", "Service ports served.", lambda: len(catalog.service_ports()))
        observe(
            "trimtab_endpoints",
            "Endpoints served.",
            lambda: sum(len(port.assignment) for port in catalog.service_ports()),
        )
        given = (self._source, self._settings.certificates, self._settings.policy_defaults)
        for name, help_text, read in (metric for part in given if part is not None for metric in part.metrics()):
            observe(name, help_text, read)
        observe(
            "trimtab_peers", "Other replicas of the control plane that are connected.", lambda: self._peers.connected
        )
        observe(
            "trimtab_rejected_policies",
            "Services whose policy annotation is wrong; their last good policy stays.",
            lambda: len(catalog.problems),
        )
        observe(
            "trimtab_refused_fallbacks",
            "Service ports that name a fallback which cannot be used.",
            lambda: len(self._store.fallbacks.problems),
        )
        observe(
            "trimtab_refused_assignments",
            "Services whose newest endpoints no client would accept; their last good ones stay.",
            lambda: len(self._store.refused),
        )
        observe(
            "trimtab_repaired_assignments",
            "Services whose endpoints had to be repaired before they were published.",
            lambda: len(self._store.repaired),
        )

    async def _warm_census(self) -> None:
        await asyncio.sleep(self._settings.census_warm_up_s)
        for service in self._census.warm():
            self._store.census_changed(service)
        self._store.seats_known()


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def run(settings: Settings) -> None:
    """Run a control plane in this process, on uvloop where there is one."""
    loop_factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_run(settings))


async def _run(settings: Settings) -> None:
    # Made here, because a grpc.aio server belongs to the loop it is made in.
    await ControlPlane(settings).run()
