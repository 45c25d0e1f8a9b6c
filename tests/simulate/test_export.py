import json
from pathlib import Path
from typing import Any

import pytest

from trimtab.errors import ScenarioError
from trimtab.simulate.export import Series, read


def file(folder: Path, text: str | bytes, name: str = "export") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def prometheus(*result: Any, kind: str = "matrix") -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": list(result)}})


def test_csv_is_read_in_its_units(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "time, pod, requests_per_s, latency_ms\n"
        "2026-11-25T08:00:00Z, web-1, 40, 25\n"
        "1764057660, web-1, 50, \n"
        "2026-11-25T08:00:00+00:00, web-2, 10, 50\n",
    )
    start = 1795593600.0
    assert read(path, "qps") == [
        Series(("web-1",), [(start, 40.0), (1764057660.0, 50.0)]),
        Series(("web-2",), [(start, 10.0)]),
    ]
    assert read(path, "latency") == [Series(("web-1",), [(start, 0.025)]), Series(("web-2",), [(start, 0.05)])]


def test_the_answer_to_a_range_query_is_read_in_seconds(tmp_path: Path) -> None:
    rows = {"metric": {"namespace": "prod", "pod": "web-1"}, "values": [[1000, "0.25"], [1015, "NaN"], [1030, "0.5"]]}
    assert read(file(tmp_path, prometheus(rows)), "latency") == [
        Series(("prod", "web-1"), [(1000.0, 0.25), (1030.0, 0.5)])
    ]


NO_LABELS = {"metric": {}, "values": [[1000, "1"]]}
NO_NUMBER = {"metric": {"pod": "a"}, "values": [[1000, "many"]]}
NEGATIVE = {"metric": {"pod": "a"}, "values": [[1000, "-1"]]}
ALL_NAN = {"metric": {"pod": "a"}, "values": [[1000, "NaN"]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "export: the file is empty"),
        (b"\xff\xfe\x00", "export: not UTF-8 at byte 0; expected CSV or JSON"),
        ('{"status": ', "export: not JSON: "),
        ("[1, 2]", "export: expected the answer of /api/v1/query_range"),
        ('{"status": "error", "error": "parse error"}', "export: Prometheus answered with an error: parse error"),
        ("{}", "export: expected the answer to a range query, a matrix, got no resultType"),
        (
            prometheus(kind="vector"),
            "expected the answer to a range query, a matrix, got a vector; ask /api/v1/query_range",
        ),
        (prometheus(), "export: data.result: expected at least one series, got none; does the query match anything?"),
        (prometheus(NO_LABELS), "export: data.result[0]: has no labels, so it is of no pod"),
        (prometheus(NO_NUMBER), 'export: data.result[0]: expected metric and values of [time, "number"]'),
        (prometheus("x"), "export: data.result[0]: expected metric and values"),
        (prometheus(NEGATIVE), "export: data.result[0]: expected a number that is not negative, got -1"),
        (prometheus(ALL_NAN), "export: there is no number in it"),
        ("pod,rps\nweb-1,3\n", "export: line 1: expected columns pod and requests_per_s or qps"),
        ("requests_per_s\n3\n", "export: line 1: expected columns pod and requests_per_s or qps"),
        ("pod,qps\nweb-1,fast\n", "export: line 2: qps: expected a number, got 'fast'"),
        ("pod,qps\nweb-1,1\nweb-2,inf\n", "export: line 3: qps: expected a number that is not negative, got inf"),
        ("time,pod,qps\nyesterday,web-1,1\n", "export: line 2: time: expected Unix seconds or ISO 8601"),
        ("time,pod,qps\n1,web-1\n", "export: line 2: expected 3 values, as line 1 names them"),
        ("pod,qps\nweb-1,1,2\n", "export: line 2: expected 2 values, as line 1 names them"),
        ("pod,qps\n", "export: there is no number in it"),
    ],
)
def test_a_bad_file_is_named_with_the_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(file(tmp_path, text), "qps")
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nothing\.csv: cannot be read: No such file"):
        read(tmp_path / "nothing.csv", "qps")
    with pytest.raises(ScenarioError, match=r"cannot be read: Is a directory"):
        read(tmp_path, "qps")
