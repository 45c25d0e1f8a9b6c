"""What a command logs, as whoever collects logs gets it."""

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import logging, structlog
from trimtab.cli.logs import configure
configure("info")
structlog.get_logger().debug("too much")
structlog.get_logger().info("hello", service="payments.prod:8080")
try:
    raise ValueError("broken")
except ValueError:
    logging.getLogger("grpc").exception("unhandled")
"""


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_every_line_is_a_json_object_where_nobody_looks_on(entries: list[dict[str, Any]]) -> None:
    assert [(entry["event"], entry["level"]) for entry in entries] == [("hello", "info"), ("unhandled", "error")]
    assert entries[0]["service"] == "payments.prod:8080"


def test_what_libraries_log_comes_the_same_way_with_its_traceback(entries: list[dict[str, Any]]) -> None:
    assert entries[1]["logger"] == "grpc"
    assert entries[1]["exception"][0]["exc_value"] == "broken"
