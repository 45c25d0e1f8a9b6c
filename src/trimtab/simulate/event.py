"""What may happen to pods while a scenario runs."""

from typing import TypeAlias

from .part import Count, Name, NotNegative, Part, Positive, Share


class Event(Part, tag_field="do", frozen=True, kw_only=True):
    """Something happens to pods at `at_s`."""

    at_s: NotNegative
    pods: Name | None = None
    """A group; none: all groups."""
    zone: str | None = None
    """Only those in this zone."""
    first: Count | None = None
    """Only this many, the first ones."""


class Slow(Event, tag="slow", frozen=True, kw_only=True):
    """Requests take `factor` times as long, until `until_s`."""

    factor: Positive
    until_s: Positive | None = None


class Fail(Event, tag="fail", frozen=True, kw_only=True):
    """A `share` of requests fails after `after_ms` without being worked on, until `until_s`."""

    share: Share = 1.0
    after_ms: NotNegative = 1.0
    until_s: Positive | None = None


class Hang(Event, tag="hang", frozen=True, kw_only=True):
    """Requests are taken and never answered, until `until_s`. Needs `timeout_s`."""

    until_s: Positive | None = None


class Crash(Event, tag="crash", frozen=True, kw_only=True):
    """Connections break and are refused, until `until_s`; the control plane notices after `noticed_after_s`."""

    until_s: Positive | None = None
    noticed_after_s: NotNegative = 10.0


class Start(Event, tag="start", frozen=True, kw_only=True):
    """The pods were not there before, and become ready now."""


class Stop(Event, tag="stop", frozen=True, kw_only=True):
    """The pods are deleted: they finish what they have, and are gone after `grace_s`."""

    grace_s: NotNegative = 5.0


class Roll(Event, tag="roll", frozen=True, kw_only=True):
    """A rolling deploy: every `every_s` a new pod starts, and the next old one stops."""

    every_s: Positive = 5.0
    grace_s: NotNegative = 5.0


class Outage(Part, tag_field="do", tag="control-plane-outage", frozen=True, kw_only=True):
    """Nobody hears of any change until `until_s`; then everybody at once."""

    at_s: NotNegative
    until_s: Positive


AnyEvent: TypeAlias = Slow | Fail | Hang | Crash | Start | Stop | Roll | Outage
