"""What a folder of manifests says, and goes on saying while files are half written, wrong or gone (docs/adr/0007). No I/O."""

from collections.abc import Iterable, Mapping
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
    """The objects of all files, with the last good version of each."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._parsed: dict[str, Parsed] = {}
        self._gone: set[str] = set()
        self._served: Held = {}
        self.problems: tuple[Problem, ...] = ()

    def update(self, files: Mapping[str, Parsed | None]) -> Changes:
        """Take in what files say now; None: the file is gone."""
        for file, parsed in files.items():
            if parsed is None:
                self._parsed.pop(file, None)
                self._gone.add(file)
            else:
                self._gone.discard(file)
                self._parsed[file] = parsed
                self._held[file] = _hold(self._held.get(file, {}), parsed)
        return self._settle()

    def _settle(self) -> Changes:
        served, problems = self._merge()
        for file in sorted(self._parsed):
            problems += (*self._parsed[file].problems, *self._parsed[file].notes)
        before, old_problems = self._served, self.problems
        self._served, self.problems = served, tuple(problems)
        return Changes(
            upserts=tuple(item for key, item in served.items() if before.get(key) != item),
            deletes=tuple(key for key in before if key not in served),
            appeared=tuple(problem for problem in self.problems if problem not in old_problems),
            resolved=tuple(problem for problem in old_problems if problem not in self.problems),
        )

    def _merge(self) -> tuple[Held, list[Problem]]:
        """One version of each object: from the first file by name that is there, else from one that is gone."""
        served: Held = {}
        source: dict[ObjectKey, str] = {}
        problems: list[Problem] = []
        for file in sorted(self._held.keys() - self._gone):
            for key, item in self._held[file].items():
                if key in served:
                    problems.append(_twice(file, key, source[key]))
                else:
                    served[key], source[key] = item, file
        for file in sorted(self._gone):
            # What is there takes the place of what is gone, for good.
            kept = {key: item for key, item in self._held.get(file, {}).items() if key not in served}
            self._held[file] = kept
            served |= kept
            if kept:
                problems.append(_removed(file, kept))
        return served, problems


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
