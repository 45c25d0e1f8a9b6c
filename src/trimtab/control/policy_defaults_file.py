"""The configuration file with policy defaults, watched. A mistake in it changes nothing but is said."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import structlog
import watchfiles

from ..errors import PolicyError
from .policy_defaults import PolicyDefaults
from .source import Metric

log = structlog.get_logger(__name__)

_RESCAN_S = 1.0
"""How often to look without having been told: notifications get lost, on network file systems above all."""
_DEBOUNCE_MS = 100
_STEP_MS = 20
_SETTLE_S = 0.05
"""How long an editor gets to finish writing: half a file may be valid, and say something else."""


class PolicyDefaultsFile:
    """Reads one file, and again whenever it changes."""

    refused = "policy defaults refused, the last good ones stay"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: bytes | None = None
        self._watch_failure = ""
        self.problem = ""
        """Why the file cannot be used as it is; empty: it can."""
        self.defaults = PolicyDefaults()
        """The last good ones; those that say nothing, until there were any."""
        self.read()

    def metrics(self) -> Iterable[Metric]:
        """What operators can see of it."""
        yield (
            "trimtab_policy_defaults_refused",
            "1 while the configuration file cannot be used as it is; the last good defaults stay.",
            lambda: bool(self.problem),
        )

    def read(self) -> bool:
        """Look at the file; whether there are other defaults now."""
        try:
            data = self._path.read_bytes()
        except OSError as error:
            # Whatever comes back, the same or not, is to be looked at.
            self._seen = None
            self._refuse(f"{self._path} cannot be read: {error.strerror or error}")
            return False
        if data == self._seen:
            return False
        self._seen = data
        try:
            self.defaults = PolicyDefaults.parse(data.decode())
        except UnicodeDecodeError as error:
            self._refuse(f"{self._path}: not UTF-8 at byte {error.start}")
            return False
        except PolicyError as error:
            self._refuse(f"{self._path}: {error}")
            return False
        self.problem = ""
        return True

    async def follow(self) -> AsyncIterator[PolicyDefaults]:
        """Other defaults whenever there are some. Never ends."""
        while True:
            async for _ in self._awakenings():
                if self.read():
                    yield self.defaults
            await asyncio.sleep(_RESCAN_S)

    async def _awakenings(self) -> AsyncIterator[None]:
        """Something may have changed: a notification, or it is time to look again."""
        # Of its folder: a ConfigMap's file is a link into a folder that is swapped, and an editor may put a new file in its place.
        notifications = watchfiles.awatch(
            self._path.parent,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=int(_RESCAN_S * 1000),
            yield_on_timeout=True,
            recursive=False,
        )
        try:
            async for changes in notifications:
                if changes:
                    await asyncio.sleep(_SETTLE_S)
                yield None
        except (OSError, RuntimeError) as error:
            if (failure := str(error)) != self._watch_failure:
                log.warning("cannot watch the folder, looking now and then", folder=str(self._path.parent), why=failure)
            self._watch_failure = failure
            yield None

    def _refuse(self, problem: str) -> None:
        if problem != self.problem:
            log.error(self.refused, problem=problem)
        self.problem = problem
