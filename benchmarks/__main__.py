"""Run every benchmark, or those named: `python -m benchmarks [pick] [unary_call] [push] [kube] [census] [simulate] [subsets] [load_report] [slow_pod] [agreement] [tls] [zones]`."""

import asyncio
import os
import platform
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
    console = Console()
    console.print(f"Python {platform.python_version()}, {platform.machine()}; ratios count, absolute times do not.")
    for name in names or BENCHMARKS:
        if name not in BENCHMARKS:
            sys.exit(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
        asyncio.run(import_module(f"benchmarks.{name}").run(console))


if __name__ == "__main__":
    main(sys.argv[1:])
