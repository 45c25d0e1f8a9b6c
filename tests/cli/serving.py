"""`trimtab serve` as a process of its own."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0


class Serving:
    """A running control plane. Its log is read as far as was asked for."""

    def __init__(self, process: "subprocess.Popen[str]", begun: str = "serving") -> None:
        self.process = process
        self._before: list[dict[str, Any]] = []
        self.started = self._next(begun, self._before)
        self.xds: str = self.started["xds"]
        self.admin: str = self.started["admin"]

    def event(self, name: str) -> dict[str, Any]:
        """The next log entry of that name."""
        return self._next(name, [])

    def first(self, name: str) -> dict[str, Any]:
        """The first log entry of that name, be it from before the control plane had begun."""
        return next((entry for entry in self._before if entry["event"] == name), None) or self.event(name)

    def _next(self, name: str, passed_over: list[dict[str, Any]]) -> dict[str, Any]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == name:
                return entry
            passed_over.append(entry)
        raise AssertionError(f"the log ended without {name!r}")

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


def command(manifests: Path, *more: str, listen: str = "127.0.0.1:0", admin: str = "127.0.0.1:0") -> list[str]:
    """The command line of a control plane on free ports."""
    serve = [sys.executable, "-m", "trimtab.cli", "serve", "--manifests", str(manifests)]
    return [*serve, "--listen", listen, "--admin", admin, *more]


@contextlib.contextmanager
def serving(manifests: Path, *more: str, listen: str = "127.0.0.1:0", begun: str = "serving") -> Iterator[Serving]:
    """A control plane that has logged that it has `begun`; ended in the end, whatever became of it."""
    process = subprocess.Popen(command(manifests, *more, listen=listen), stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield Serving(process, begun)
        finally:
            process.kill()


def failing(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command that is expected to end by itself."""
    return subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
