"""Run every benchmark, or those named: `python -m benchmarks [pick] [unary_call] [push] [kube] [census] [readiness] [simulate] [subsets] [load_report] [slow_pod] [agreement] [tls] [zones]`."""

import asyncio
import os
import platform
import subprocess
import sys
from importlib import import_module

from rich.console import Console

# A server that ends is no news.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
BENCHMARKS = (
    "pick",
    "unary_call",
    "push",
    "census",
    "readiness",
    "simulate",
    "subsets",
    "load_report",
    "kube",
    "slow_pod",
    "agreement",
    "tls",
    "zones",
)


def main(names: list[str]) -> None:
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    if len(names) == 1:
        console = Console()
        console.print(f"Python {platform.python_version()}, {platform.machine()}; ratios count, absolute times do not.")
        asyncio.run(import_module(f"benchmarks.{names[0]}").run(console))
        return
    for name in names or BENCHMARKS:
        # Each in a process of its own: grpc.aio goes on serving the loops of those that are over (grpc/grpc#42357), and the
        # peak of a process' memory is for good.
        if failed := subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode:
            sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
