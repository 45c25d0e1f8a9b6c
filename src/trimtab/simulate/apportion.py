"""Whole numbers in given proportions."""

from collections.abc import Sequence


def apportion(parts: Sequence[int], total: int) -> list[int]:
    """`total` in the proportions of `parts` (Sainte-Laguë); nobody who had some gets none while there is enough."""
    counts = [1 if part and total >= len(parts) else 0 for part in parts]
    for _ in range(total - sum(counts)):
        neediest = max(range(len(parts)), key=lambda index: parts[index] / (2 * counts[index] + 1))
        counts[neediest] += 1
    return counts
