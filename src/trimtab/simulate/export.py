"""What a monitoring system exported about pods over time: CSV, or the answer to a Prometheus range query."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ..errors import ScenarioError

UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "qps": {"requests_per_s": 1.0, "qps": 1.0},
    "latency": {"latency_s": 1.0, "latency_ms": 0.001},
}
"""What can be read, with the names of its column in a CSV file and what to multiply by."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one pod over time, in requests per second or seconds."""

    names: tuple[str, ...]
    """What the pod may be called here: the values of its labels."""
    points: Sequence[tuple[float, float]]
    """(Unix time, value), as the file has them."""


def read(path: Path, what: str) -> Sequence[Series]:
    """The series of `what`, which is in UNITS, in a file. Raises ScenarioError that names file and place."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 at byte {error.start}; expected CSV or JSON") from error
    if not text.strip():
        raise ScenarioError(f"{path}: the file is empty")
    series = list(_prometheus(text, path) if text.lstrip()[0] in "{[" else _csv(text, path, what))
    if not any(one.points for one in series):
        raise ScenarioError(f"{path}: there is no number in it; was anything measured in the time of the query?")
    return series


def _prometheus(text: str, path: Path) -> Iterator[Series]:
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise ScenarioError(f"{path}: not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ScenarioError(f"{path}: expected the answer of /api/v1/query_range, an object with status and data")
    if answer.get("status") == "error":
        raise ScenarioError(f"{path}: Prometheus answered with an error: {answer.get('error', 'without a reason')}")
    data = answer.get("data", answer)
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind != "matrix":
        found = f"a {kind}" if kind else "no resultType"
        raise ScenarioError(
            f"{path}: expected the answer to a range query, a matrix, got {found}; ask /api/v1/query_range"
        )
    result = data.get("result")
    if not isinstance(result, list) or not result:
        raise ScenarioError(
            f"{path}: data.result: expected at least one series, got none; does the query match anything?"
        )
    for index, one in enumerate(result):
        yield _matrix_row(one, f"{path}: data.result[{index}]")


def _matrix_row(row: Any, place: str) -> Series:
    try:
        labels: Mapping[str, str] = row["metric"]
        values: Sequence[tuple[float, str]] = row["values"]
        names = tuple(map(str, labels.values()))
        points = [(float(at), float(value)) for at, value in values]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ScenarioError(
            f'{place}: expected metric and values of [time, "number"], got {str(row)[:80]!r}'
        ) from error
    if not names:
        raise ScenarioError(
            f"{place}: has no labels, so it is of no pod; keep the pod in the query: `sum by (pod) (…)`"
        )
    # Prometheus writes NaN where nothing happened.
    return Series(names, [(at, _checked(value, place)) for at, value in points if not math.isnan(value)])


def _csv(text: str, path: Path, what: str) -> Iterator[Series]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = [name.strip() for name in rows.fieldnames or ()]
    rows.fieldnames = columns
    known = UNITS[what]
    found = next((name for name in known if name in columns), None)
    if "pod" not in columns or found is None:
        raise ScenarioError(
            f"{path}: line 1: expected columns pod and {' or '.join(known)}, and time if there is more than one row per pod; "
            f"got {', '.join(columns)}"
        )
    by_pod: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        place = f"{path}: line {rows.line_num}"
        if None in row or None in row.values():
            raise ScenarioError(f"{place}: expected {len(columns)} values, as line 1 names them")
        if value := row[found].strip():
            at = _time(row["time"], place) if "time" in columns else 0.0
            by_pod.setdefault(row["pod"].strip(), []).append((at, _number(value, place, found) * known[found]))
    for pod, points in by_pod.items():
        yield Series((pod,), points)


def _time(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ScenarioError(
            f"{place}: time: expected Unix seconds or ISO 8601 such as 2026-11-25T08:00:00Z, got {text!r}"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str, place: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ScenarioError(f"{place}: {column}: expected a number, got {text!r}") from error
    return _checked(value, f"{place}: {column}")


def _checked(value: float, place: str) -> float:
    if not 0 <= value < math.inf:
        raise ScenarioError(f"{place}: expected a number that is not negative, got {value:g}")
    return value
