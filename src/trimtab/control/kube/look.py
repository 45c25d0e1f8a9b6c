"""Everything listed anew, consistently, to be sure of what was heard."""

from collections.abc import Iterable

from .feed import Feed


class Look:
    """One look over several feeds, from the moment it is made."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._before = {feed: feed.looks for feed in feeds}
        for feed in self._before:
            feed.look_again()

    @property
    def done(self) -> bool:
        """Whether everything was listed since."""
        return all(feed.looks > before for feed, before in self._before.items())
