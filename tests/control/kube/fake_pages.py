"""Lists that come in pages at a pretended API server: every page of one is as things were when it began."""

import base64
import json
from collections.abc import Sequence

from .fake_status import Refused, expired_page
from .fake_store import FakeStore, Json


class Pages:
    """Lists that have begun. A continue token says which one, and where in it."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._begun: dict[tuple[str, int], list[Json]] = {}

    def forget(self) -> None:
        """What was before is gone, as after a compaction."""
        self._begun.clear()

    def read(self, resource: str, namespace: str, selector: str, limit: int, token: str) -> tuple[Json, Sequence[Json]]:
        """The metadata of a list, and its items, from `token` on. Raises Refused."""
        if token:
            revision, after = _read(token)
            if revision < 0:
                # Nothing is promised of the rest but that it is there now.
                revision, items = self._store.revision, list(self._store.list(resource, namespace, selector))
            elif (found := self._begun.get((resource, revision))) is None:
                raise expired_page(_token(-1, after))
            else:
                items = found
            rest = [item for item in items if _key(item) > after]
        else:
            revision = self._store.revision
            rest = list(self._store.list(resource, namespace, selector))
        metadata: Json = {"resourceVersion": str(revision)}
        if limit and len(rest) > limit:
            metadata["continue"] = _token(revision, _key(rest[limit - 1]))
            if not selector:
                metadata["remainingItemCount"] = len(rest) - limit
            self._begun.setdefault((resource, revision), rest)
            rest = rest[:limit]
        return metadata, rest


def _key(item: Json) -> list[str]:
    return [item["metadata"].get("namespace", ""), item["metadata"]["name"]]


def _token(revision: int, after: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, after]).encode()).decode()


def _read(token: str) -> tuple[int, list[str]]:
    try:
        revision, after = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise Refused(400, f"invalid continue token: continue key is not valid: {error}") from error
    return revision, after
