"""How far off each cell of the simulator's validation is with one seed or another: in virtual time, so every machine says the same.

`python -m benchmarks.validation [SEEDS]`; a seed takes less than two minutes of processor time.
"""

import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from trimtab.simulate.validation import CELLS, TOLERANCE, Cell, measure

COLUMNS = ("fleet", "requests", "s", "mean: off", "scatter", "worst", "p99: off", "scatter", "worst", "left 2 %")


def main(seeds: int) -> None:
    """Every cell with many seeds: off on average, standard deviation and worst, in percent, and how many seeds left the tolerance."""
    table = Table(title=f"{seeds} seeds", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "fleet" else "right")
    for cell in CELLS:
        row = _row(cell, seeds)
        table.add_row(*row)
        sys.stderr.write(" | ".join(row) + "\n")
    Console(width=140).print(table)


def _row(cell: Cell, seeds: int) -> list[str]:
    started = time.process_time()
    estimates = [measure(cell, seed) for seed in range(1, seeds + 1)]
    took_s = (time.process_time() - started) / seeds
    off = np.array(
        [(one.mean.value / cell.expected.mean - 1, one.p99.value / cell.expected.p99 - 1) for one in estimates]
    )
    left = int((np.abs(off) > TOLERANCE).any(axis=1).sum())
    row = [str(cell), str(cell.requests), f"{took_s:.1f}"]
    for values in 100 * off.T:
        row += [f"{values.mean():+.2f}", f"{values.std(ddof=1):.2f}", f"{values[np.abs(values).argmax()]:+.2f}"]
    return [*row, str(left)]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
