"""How a contest is printed."""

from rich.console import Console
from rich.table import Table

from .contest import Contest, quartiles


def print_contest(console: Console, title: str, unit: str, contest: Contest, baseline: str) -> None:
    """A table: median cost, and the ratio to `baseline` with its quartiles over the rounds."""
    rounds = len(contest.costs[baseline])
    table = Table(title=f"{title} ({rounds} interleaved rounds)", title_justify="left")
    table.add_column("contender")
    table.add_column(f"median, {unit}", justify="right")
    table.add_column(f"ratio to {baseline}", justify="right")
    table.add_column("quartiles", justify="right")
    for contender in contest.costs:
        low, middle, high = quartiles(contest.ratios(contender, baseline))
        table.add_row(contender, f"{contest.median(contender):.2f}", f"{middle:.3f}", f"{low:.3f} – {high:.3f}")
    console.print(table)
