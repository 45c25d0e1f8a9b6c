"""The last known state on disk, to start from while the API server is away (docs/adr/0024).

One file: a line of JSON that says what follows, then blocks of MessagePack, each after its length: dates first, then objects. It is written beside and renamed
into place, so that there is an old one or a new one and nothing in between.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from ...errors import ClusterError
from ..kubernetes import EndpointSlice, Object
from ..readiness import Earlier
from .usable import takes_calls

log = structlog.get_logger(__name__)

FORMAT = 2
FILE = "cluster.state"
_BLOCK = 100
"""Objects per block: encoding holds the interpreter lock, and streams must go on."""


class _Header(msgspec.Struct):
    format: int
    cluster: str
    written_at: float
    digest: str


@dataclass(frozen=True, slots=True)
class State:
    """What was known, of which cluster, and when in seconds since the epoch."""

    cluster: str
    written_at: float
    objects: Sequence[Object]
    young: Mapping[str, float] = field(default_factory=dict)
    """By Pod uid: when what has not been ready for long became so, in seconds since the epoch."""

    @property
    def ready(self) -> Earlier:
        """Every Pod that took calls, with its date if it is in `young`."""
        return {
            endpoint.target_ref.uid: self.young.get(endpoint.target_ref.uid)
            for item in self.objects
            if isinstance(item, EndpointSlice)
            for endpoint in item.endpoints or ()
            if endpoint.target_ref is not None and takes_calls(endpoint.conditions)
        }


class StateDir:
    """Where the state of one control plane is kept."""

    def __init__(self, folder: Path, max_age_s: float) -> None:
        """Raises ClusterError if `folder` cannot be written to: better now than when it is needed."""
        self._path = folder / FILE
        self._max_age_s = max_age_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ClusterError(f"--state-dir: cannot write to {folder}: {error.strerror or error}") from error

    def save(self, state: State) -> None:
        """Put `state` in the place of the last one. Raises OSError; the last one is still there then."""
        digest = _digest(state.cluster, state.written_at)
        with tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=f".{FILE}.", delete=False) as file:
            try:
                # Twice through: the digest stands in front of what it is made of, and nothing is held in memory twice.
                for block in _blocks(state):
                    digest.update(block)
                header = _Header(FORMAT, state.cluster, state.written_at, digest.hexdigest())
                file.write(msgspec.json.encode(header) + b"\n")
                for block in _blocks(state):
                    file.write(len(block).to_bytes(4, "big") + block)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def load(self, cluster: str) -> State | None:
        """The last state of `cluster`; None, and a line in the log, if there is none that can be used."""
        try:
            state = _read(self._path, cluster)
        except FileNotFoundError:
            log.info("no saved state", file=str(self._path))
            return None
        except (OSError, ValueError) as error:
            log.warning("saved state cannot be used", file=str(self._path), why=str(error))
            return None
        age_s = time.time() - state.written_at
        # A clock that was set back makes it come from the future: then its age is not known, and it may be any.
        if not -60 <= age_s <= self._max_age_s:
            why = f"it is {age_s:.0f} s old, and addresses are reused; --state-max-age allows {self._max_age_s:.0f} s"
            log.warning("saved state cannot be used", file=str(self._path), why=why)
            return None
        return state


def _digest(cluster: str, written_at: float) -> blake2b:
    return blake2b(f"{FORMAT} {written_at!r} {cluster}".encode(), digest_size=16)


def _blocks(state: State) -> Iterator[bytes]:
    yield msgspec.msgpack.encode(state.young)
    rest = iter(state.objects)
    while block := list(islice(rest, _BLOCK)):
        yield msgspec.msgpack.encode(block)


def _read(path: Path, cluster: str) -> State:
    decoder = msgspec.msgpack.Decoder(list[Object])
    with path.open("rb") as file:
        header = msgspec.json.decode(file.readline(1 << 16), type=_Header)
        if header.format != FORMAT:
            raise ValueError(f"it has format {header.format}, expected {FORMAT}")
        if header.cluster != cluster:
            raise ValueError(f"it is of another cluster or scope: {header.cluster}, not {cluster}")
        digest = _digest(header.cluster, header.written_at)
        blocks = _read_blocks(file, digest)
        young = msgspec.msgpack.decode(next(blocks, b""), type=dict[str, float])
        objects = [item for block in blocks for item in decoder.decode(block)]
    if digest.hexdigest() != header.digest:
        raise ValueError("its content does not fit its checksum")
    return State(header.cluster, header.written_at, objects, young)


def _read_blocks(file: BinaryIO, digest: blake2b) -> Iterator[bytes]:
    while length := file.read(4):
        block = file.read(int.from_bytes(length, "big"))
        digest.update(block)
        yield block
