"""What a folder of manifests says, and goes on saying while files are half written, wrong or gone (docs/adr/0007). No I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .kubernetes import Object, ObjectKey
from .manifests import Parsed, Problem

Held = dict[ObjectKey, Object]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a step changed."""

    upserts: tuple[Object, ...] = ()
    deletes: tuple[ObjectKey, ...] = ()
    appeared: tuple[Problem, ...] = ()
    resolved: tuple[Problem, ...] = ()


class ManifestSet:
    """The objects of all files, with the last good version of each. A file that changes costs the work for its own objects."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._gone: set[str] = set()
        self._never_whole: set[str] = set()
        self._files: defaultdict[ObjectKey, set[str]] = defaultdict(set)
        self._served: Held = {}
        self._contested: dict[ObjectKey, Sequence[str]] = {}
        self._complaints: dict[str, tuple[Problem, ...]] = {}
        """About what a file said when it was last readable: until it is again, none of them is resolved."""
        self._unreadable: dict[str, tuple[Problem, ...]] = {}
        self.problems: tuple[Problem, ...] = ()

    @property
    def objects(self) -> tuple[Object, ...]:
        """All that is served."""
        return tuple(self._served.values())

    @property
    def without_good_state(self) -> frozenset[str]:
        """Files that could never be used as they were: what they say is not known, be it only in part."""
        return frozenset(self._never_whole - self._gone)

    def update(self, files: Mapping[str, Parsed | None]) -> Changes:
        """Take in what files say now; None: the file is gone."""
        touched: dict[ObjectKey, None] = {}
        for file in sorted(files):
            touched |= dict.fromkeys(self._take(file, files[file]))
        upserts: list[Object] = []
        deletes: list[ObjectKey] = []
        for key in touched:
            item, before = self._settle(key), self._served.get(key)
            if item is None:
                deletes.extend(() if self._served.pop(key, None) is None else (key,))
            elif item != before:
                self._served[key] = item
                upserts.append(item)
        self._forget_superseded()
        before_problems, self.problems = set(self.problems), tuple(self._find_problems())
        appeared = tuple(problem for problem in self.problems if problem not in before_problems)
        resolved = tuple(sorted(before_problems.difference(self.problems), key=str))
        return Changes(tuple(upserts), tuple(deletes), appeared, resolved)

    def _take(self, file: str, parsed: Parsed | None) -> Iterable[ObjectKey]:
        """Note what a file says; the objects about which that may make a difference."""
        before = self._held.get(file, {})
        self._complain(file, parsed)
        if parsed is None:
            self._gone.add(file)
            return before
        self._gone.discard(file)
        if parsed.whole:
            self._never_whole.discard(file)
        elif file not in self._held:
            self._never_whole.add(file)
        after = self._held[file] = _hold(before, parsed)
        for key in before.keys() - after.keys():
            self._files[key].discard(file)
        for key in after:
            self._files[key].add(file)
        return {**after, **before}

    def _complain(self, file: str, parsed: Parsed | None) -> None:
        self._unreadable.pop(file, None)
        if parsed is not None and parsed.unreadable:
            self._unreadable[file] = parsed.problems
            return
        self._complaints.pop(file, None)
        if parsed is not None and (complaints := (*parsed.problems, *parsed.notes)):
            self._complaints[file] = complaints

    def _settle(self, key: ObjectKey) -> Object | None:
        """The version to serve: from the first file by name that is there, else from one that is gone."""
        files = self._files[key]
        present = sorted(files - self._gone)
        self._contested.pop(key, None)
        if len(present) > 1:
            self._contested[key] = present
        if present:
            # What is there takes the place of what is gone, for good.
            for file in files & self._gone:
                del self._held[file][key]
            files &= set(present)
            return self._held[present[0]][key]
        if files:
            return self._held[min(files)][key]
        del self._files[key]
        return None

    def _forget_superseded(self) -> None:
        """Of a file that is gone and of which nothing is served any more there is nothing to say."""
        for file in [file for file in self._gone if not self._held.get(file)]:
            self._gone.discard(file)
            self._never_whole.discard(file)
            self._held.pop(file, None)

    def _find_problems(self) -> Iterator[Problem]:
        for key, (first, *others) in sorted(self._contested.items()):
            yield from (_twice(file, key, first) for file in others)
        for file in sorted(self._gone):
            yield _removed(file, self._held[file])
        for file in sorted(self._complaints.keys() | self._unreadable.keys()):
            yield from (*self._unreadable.get(file, ()), *self._complaints.get(file, ()))


def _hold(before: Held, parsed: Parsed) -> Held:
    """What a file stands for: what it says; while anything in it is wrong, also what it said before."""
    said = {item.key: item for item in parsed.objects}
    return {**before, **said} if parsed.problems or parsed.unreadable else said


def _twice(file: str, key: ObjectKey, first: str) -> Problem:
    return Problem(file, f"is also in {first}, which is used; remove one of the two", _name(key))


def _removed(file: str, kept: Iterable[ObjectKey]) -> Problem:
    names = sorted(map(_name, kept))
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Problem(
        file,
        f"the file was removed; what it held is still served: {listed}. "
        "To withdraw it, put the file back with a comment and nothing else, or restart",
    )


def _name(key: ObjectKey) -> str:
    kind, namespace, name = key
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
