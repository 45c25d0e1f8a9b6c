"""How the calls of one node went since the last sweep for outliers."""


class Tally:
    """Successes and failures of one interval (gRFC A50's call counters)."""

    __slots__ = ("failures", "successes", "tripped")

    def __init__(self) -> None:
        self.successes = 0
        self.failures = 0
        self.tripped = False
        """It failed so many times in a row that it is ejected without waiting for the sweep."""

    @property
    def volume(self) -> int:
        """Calls that count."""
        return self.successes + self.failures
