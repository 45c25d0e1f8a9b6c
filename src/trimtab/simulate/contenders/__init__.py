"""Who chooses: Trimtab's own strategies, and what people use today."""

from .registry import contender, contenders

__all__ = ["contender", "contenders"]
