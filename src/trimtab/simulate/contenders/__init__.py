"""Who chooses: Trimtab's own strategies, and what people use today."""

from .registry import contender, contenders, named

__all__ = ["contender", "contenders", "named"]
