"""The last assignment and policy of each service on disk, as the control plane sent them.

A file per service: a line of JSON that says what follows, then the resources in bytes. It is written beside and renamed into place,
so that there is an old one or a new one and nothing in between, however many processes share the folder.
"""

import json
import logging
import os
import tempfile
import time
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import ProtocolError
from ..model import Assignment, Policy
from ..xds.assignment import decode_assignment
from ..xds.cluster import decode_policy
from .bootstrap import Bootstrap
from .keep import Keep

logger = logging.getLogger(__name__)

FORMAT = 1
_SUFFIX = ".assignment"
_DRAFT = ".draft."
_CLOCK_SLACK_S = 60.0
_SWEEP_S = 86_400.0
"""Processes that share the folder may allow more than this one does."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was known of a service."""

    confirmed_at: float
    """When the control plane stood by it last, in seconds since the epoch."""
    version: str
    assignment: bytes
    """A ClusterLoadAssignment."""
    policy: bytes = b""
    """A Cluster; empty: none was asked for."""
    zone: str = ""
    """Where the client runs, as the control plane said; empty: it did not."""


class AssignmentStore:
    """What one control plane told clients of one place."""

    def __init__(self, keep: Keep, bootstrap: Bootstrap) -> None:
        self._folder = Path(keep.folder)
        self._max_age_s = keep.max_age_s
        self._of = _identity(bootstrap)
        self._failure = ""

    def save(self, name: str, kept: Kept) -> None:
        """Put `kept` in the place of the last one. If it cannot be written the log says so, once."""
        try:
            self._write(name, kept)
        except OSError as error:
            if (failure := error.strerror or str(error)) != self._failure:
                logger.warning("%s: what the control plane says cannot be kept: %s", self._folder, failure)
            self._failure = failure
        else:
            self._failure = ""

    def load(self, name: str) -> Kept | None:
        """The last of a service; None, and a line in the log, if there is none of any use."""
        path = self._path(name)
        try:
            kept = self._read(path, name)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be used: %s", path, error)
            return None
        age_s = time.time() - kept.confirmed_at
        # A clock that was set back makes it come from the future: then its age is not known, and it may be any.
        if not -_CLOCK_SLACK_S <= age_s <= self._max_age_s:
            logger.warning("%s is not used: it is %.0f s old, at most %.0f s are allowed", path, age_s, self._max_age_s)
            return None
        return kept

    def forget(self, name: str) -> None:
        """The control plane does not stand by it any more."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path(name), error.strerror or error)

    def sweep(self) -> None:
        """Remove what nobody will use: what is too old, and drafts of processes that were killed over them."""
        for path in (*self._folder.glob(f"*{_SUFFIX}"), *self._folder.glob(f"{_DRAFT}*")):
            try:
                if time.time() - path.stat().st_mtime > max(self._max_age_s, _SWEEP_S):
                    path.unlink()
            except OSError:
                # Another process was faster, or it is not ours to remove.
                continue

    def _path(self, name: str) -> Path:
        digest = blake2b(f"{self._of} {name}".encode(), digest_size=8).hexdigest()
        return self._folder / f"{quote(name, safe='')[:100]}.{digest}{_SUFFIX}"

    def _write(self, name: str, kept: Kept) -> None:
        header = {
            "format": FORMAT,
            "of": self._of,
            "name": name,
            "confirmed_at": kept.confirmed_at,
            "version": kept.version,
            "zone": kept.zone,
            "assignment_bytes": len(kept.assignment),
        }
        body = kept.assignment + kept.policy
        # Without a space that could change and mean the same.
        line = json.dumps({**header, "digest": _digest(header, body)}, separators=(",", ":")).encode()
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=_DRAFT, delete=False) as file:
            try:
                file.write(line + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._path(name))
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def _read(self, path: Path, name: str) -> Kept:
        line, _, body = path.read_bytes().partition(b"\n")
        header: dict[str, Any] = json.loads(line)
        if header["format"] != FORMAT:
            raise ValueError(f"it has format {header['format']}, expected {FORMAT}")
        digest = header.pop("digest")
        if digest != _digest(header, body):
            raise ValueError("its content does not fit its checksum")
        if (header["of"], header["name"]) != (self._of, name):
            raise ValueError(f"it is {header['name']} of another control plane or place")
        size = header["assignment_bytes"]
        return Kept(header["confirmed_at"], header["version"], body[:size], body[size:], header["zone"])


def _identity(bootstrap: Bootstrap) -> str:
    """What makes a control plane's answer: which it is, and what it knows of the client's place."""
    node = bootstrap.node
    place = (node.locality.region, node.locality.zone, node.locality.sub_zone)
    metadata = (node.metadata.get("NAMESPACE", ""), node.metadata.get("NODE_NAME", ""))
    return " ".join([",".join(server.uri for server in bootstrap.servers), *map(repr, (*place, *metadata))])


def _digest(header: dict[str, Any], body: bytes) -> str:
    return blake2b(json.dumps(header, sort_keys=True).encode() + body, digest_size=16).hexdigest()


def read_kept(kept: Kept, zone: str) -> tuple[Policy | Assignment, ...]:
    """What was kept, the policy first, for a client of `zone` unless the control plane knew better; nothing if it cannot be read, or lists no endpoint and so helps nobody."""
    try:
        assignment = decode_assignment(kept.assignment, kept.version)
        policy = decode_policy(kept.policy)[1] if kept.policy else None
    except ProtocolError as error:
        logger.warning("what was kept on disk cannot be used: %s", error)
        return ()
    if not len(assignment):
        return ()
    stale = replace(assignment, confirmed_at=kept.confirmed_at, client_zone=kept.zone or zone)
    return (policy, stale) if isinstance(policy, Policy) else (stale,)
