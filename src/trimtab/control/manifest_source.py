"""A folder of Kubernetes manifests, watched."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

import structlog
import watchfiles

from ..errors import ManifestError
from .manifest_set import Changes, ManifestSet
from .manifests import Parsed, Problem, parse
from .progress import Progress
from .readiness import Readiness
from .source import Metric

log = structlog.get_logger(__name__)

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_DEBOUNCE_MS = 30
"""Within which changes of several files become one; short, for a new pod waits for it."""
_STEP_MS = 10
_RESCAN_S = 1
"""How often to look without having been told: notifications get lost, on network file systems above all."""
_SETTLE_S = 0.03
"""For how long a file must not have been written to before it is read: half a file may be valid, with half the endpoints."""
_PATIENCE = 30
"""How many times to wait for a file that is written to without end."""

_GOOD_STATE_STAYS = "manifest problem, the last good state stays"
_NO_GOOD_STATE = "manifest problem, there is no last good state"
_PROBLEMS_NAMED = 3
"""In an answer of `/readyz`; the log and `trimtab status` have all of them."""

_Stamp = tuple[int, int, int, int]
"""Times of modification and of change, size and inode: what differs when a file was written."""
_UNREAD: _Stamp = (0, 0, 0, 0)
"""Of a file that is there and cannot be read: no file's own."""


def is_manifest(path: Path) -> bool:
    """Whether a file of a folder is one to read, by its name."""
    return path.suffix in _SUFFIXES and not path.name.startswith(".")


class ManifestSource:
    """Reads the files of one folder, not of folders below it, and follows their changes."""

    def __init__(self, folder: Path, *, settle_s: float = _SETTLE_S) -> None:
        self._folder = folder
        self._settle_s = settle_s
        self._set = ManifestSet()
        self._stamps: dict[str, _Stamp] = {}
        self._digests: dict[str, bytes] = {}
        self._folder_gone = False
        self._loaded = False
        self.readiness = Readiness()
        self.progress = Progress()
        self._watch_failure = ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What cannot be used as it is; the last good state stands in for it."""
        return self._set.problems

    @property
    def where(self) -> Mapping[str, str]:
        return {"manifests": str(self._folder)}

    @property
    def waiting_for(self) -> str:
        return f"the first load of {self._folder} is not complete: {self._why_incomplete()}"

    def _why_incomplete(self) -> str:
        unknown = self._set.without_good_state
        found = [str(problem) for problem in self.problems if problem.file in unknown]
        if not found:
            return "it cannot be listed" if self._folder_gone else "it is being read"
        more = f"; and {len(found) - _PROBLEMS_NAMED} more" if len(found) > _PROBLEMS_NAMED else ""
        return f"{'; '.join(found[:_PROBLEMS_NAMED])}{more}. Correct each file, or take it out of the folder"

    def report(self, problems: Mapping[tuple[str, str], str]) -> None:
        """Whoever wrote a file reads the log and the status."""

    def metrics(self) -> Iterable[Metric]:
        yield (
            "trimtab_manifest_problems",
            "Manifests that cannot be used as they are; the last good state of each, if there is one, stays.",
            lambda: len(self.problems),
        )

    async def watch(self) -> AsyncGenerator[Changes, None]:
        """The complete folder first, then every change. Raises ManifestError if the folder is not there at the start.

        It is complete once every file could be used as it is, at the start or since.
        """
        if not self._folder.is_dir():
            raise ManifestError(f"there is no folder {self._folder}; create it, or name one that exists")
        if (changes := await self._step()) is not None:
            yield changes
        else:
            log.error("not ready, nobody is answered yet", why=self.waiting_for)
        while True:
            async for _ in self._awakenings():
                if (changes := await self._step()) is not None:
                    yield changes
            # The folder was replaced, or is gone: watch what has its name now.
            await asyncio.sleep(_DEBOUNCE_MS / 1000)

    async def _step(self) -> Changes | None:
        """What is to be told after another look; None: nothing."""
        changes = await self._read()
        if self._loaded:
            return None if changes == Changes() else changes
        # Of what a file says that was never right nothing is known: to serve the rest would be to deny or to halve services.
        self._loaded = not (self._folder_gone or self._set.without_good_state)
        return Changes(self._set.objects) if self._loaded else None

    async def _awakenings(self) -> AsyncIterator[None]:
        """Something may have changed: a notification, or it is time to look again."""
        watched = self._inode()
        if watched is None:
            yield None
            await asyncio.sleep(_RESCAN_S / 10)
            return
        notifications = watchfiles.awatch(
            self._folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_RESCAN_S * 1000,
            yield_on_timeout=True,
            recursive=False,
        )
        # The first step registers the watch. Looking only then leaves no moment in which a change goes unnoticed.
        notified = asyncio.ensure_future(anext(notifications))
        await asyncio.sleep(0)
        try:
            yield None
            while self._inode() == watched:
                await notified
                notified = asyncio.ensure_future(anext(notifications))
                yield None
        except (OSError, RuntimeError, StopAsyncIteration) as error:
            # Out of watches, for example: looking now and then goes on.
            if (failure := str(error)) != self._watch_failure:
                log.warning("cannot watch the folder, looking now and then", folder=str(self._folder), why=failure)
            self._watch_failure = failure
            await asyncio.sleep(_RESCAN_S)
        finally:
            notified.cancel()
            await asyncio.wait([notified])
            await notifications.aclose()

    def _inode(self) -> int | None:
        """Which folder it is: another one may have taken its name. None: there is none."""
        try:
            return self._folder.stat().st_ino
        except OSError:
            return None

    async def _read(self) -> Changes:
        # In a thread: a dump of a large cluster takes seconds to parse, and streams must go on meanwhile.
        news = await asyncio.to_thread(self._news)
        changes = self._set.update(news) if news else Changes()
        for problem in changes.appeared:
            event = _NO_GOOD_STATE if problem.file in self._set.without_good_state else _GOOD_STATE_STAYS
            log.warning(event, problem=str(problem))
        for problem in changes.resolved:
            log.info("manifest problem resolved", problem=str(problem))
        return changes

    def _news(self) -> dict[str, Parsed | None]:
        """Files whose content changed since the last look, parsed; None: gone."""
        present = self._list_settled()
        if present is None:
            return {}
        news: dict[str, Parsed | None] = {file: None for file in self._stamps if file not in present}
        for file in news:
            del self._stamps[file]
            self._digests.pop(file, None)
        for file, stamp in sorted(present.items()):
            if self._stamps.get(file) == stamp:
                continue
            self._stamps[file] = stamp
            if (parsed := self._parse(file)) is not None:
                news[file] = parsed
        return news

    def _list_settled(self) -> dict[str, _Stamp] | None:
        """The manifest files there are, once nobody has written to any for a moment."""
        for _ in range(_PATIENCE):
            present = self._list()
            if not present or not any(
                self._stamps.get(file) != stamp and self._fresh(stamp) for file, stamp in present.items()
            ):
                break
            time.sleep(self._settle_s)
        return present

    def _fresh(self, stamp: _Stamp) -> bool:
        # The clock of a file server may be ahead: what was written in the future counts as settled.
        return 0 <= time.time_ns() - stamp[0] < self._settle_s * 1e9

    def _list(self) -> dict[str, _Stamp] | None:
        """The manifest files there are; None: the folder is gone, which says nothing about its files."""
        found = {}
        try:
            entries = list(self._folder.iterdir())
        except OSError as error:
            if not self._folder_gone:
                log.warning("folder is gone, what it held stays", folder=str(self._folder), why=str(error))
            self._folder_gone = True
            return None
        if self._folder_gone:
            log.info("folder is back", folder=str(self._folder))
        self._folder_gone = False
        for path in entries:
            if is_manifest(path):
                try:
                    status = path.stat()
                except OSError:
                    # A dangling link, as in the middle of a ConfigMap's swap: gone unless it is back at the next look. At the
                    # start nobody knows what it stands for.
                    if not self._loaded:
                        found[path.name] = _UNREAD
                    continue
                found[path.name] = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        return found

    def _parse(self, file: str) -> Parsed | None:
        """What the file says now; None: the same as before."""
        try:
            data = (self._folder / file).read_bytes()
        except OSError as error:
            # It may be read again without having been written to, on a network file system above all.
            self._stamps[file] = _UNREAD
            self._digests.pop(file, None)
            reason = error.strerror or str(error)
            return Parsed(problems=(Problem(file, f"cannot be read: {reason}"),), unreadable=True)
        digest = blake2b(data, digest_size=16).digest()
        if self._digests.get(file) == digest:
            return None
        self._digests[file] = digest
        try:
            return parse(file, data.decode())
        except UnicodeDecodeError as error:
            message = f"not UTF-8 at byte {error.start}"
            return Parsed(problems=(Problem(file, message),), unreadable=True)
