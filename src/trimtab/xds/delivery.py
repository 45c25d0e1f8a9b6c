"""How far a client has followed what it was sent: the truth behind acked, waiting and NACKed."""

from dataclasses import dataclass


@dataclass(slots=True)
class Delivery:
    """The responses of one type on one stream. Times are in seconds of the server's monotonic clock."""

    nonce: str = ""
    """Of the newest response; empty: none was sent."""
    version: str = ""
    waiting_since: float | None = None
    """When the response that is not answered yet was sent."""
    acked_version: str = ""
    acked_at: float | None = None
    refused: str | None = None
    """What the client said when it refused the newest response."""
    refused_at: float | None = None
    took_s: float | None = None
    """From the newest response to the answer to it, for whoever counts that; None: not answered, or counted."""
    changed_at: float | None = None
    """When the oldest change was taken in that the unanswered responses tell of; None: they tell of none."""

    @property
    def outstanding(self) -> bool:
        """The newest response is neither ACKed nor NACKed yet."""
        return self.waiting_since is not None

    def sent(self, nonce: str, version: str, now: float, changed_at: float | None = None) -> None:
        """A response is on its way; it tells of changes taken in since `changed_at`."""
        self.nonce, self.version, self.waiting_since = nonce, version, now
        if self.changed_at is None:
            self.changed_at = changed_at

    def answered(self, nonce: str, error: str | None, now: float) -> bool:
        """Take note of an ACK or, by the presence of `error`, a NACK. False: it answers nothing, or an older response."""
        if nonce != self.nonce or self.waiting_since is None:
            return False
        if error is None:
            self.acked(now)
        else:
            self.took_s, self.waiting_since = now - self.waiting_since, None
            self.refused, self.refused_at = error, now
        return True

    def acked(self, now: float) -> None:
        """The newest response, which is outstanding, was ACKed."""
        assert self.waiting_since is not None
        self.took_s, self.waiting_since = now - self.waiting_since, None
        self.refused, self.acked_version, self.acked_at = None, self.version, now
