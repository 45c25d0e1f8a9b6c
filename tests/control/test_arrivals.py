"""How many of those who connect never come in."""

from tests.control.xds_client import until
from trimtab.control.arrivals import Arrivals


async def test_connections_without_a_call_are_counted_and_others_are_not() -> None:
    arrivals = Arrivals(patience_s=0.0)
    arrivals.start()
    for peer in ("ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1"):
        arrivals.began()
        arrivals.entered(peer)
    arrivals.began()
    await until(lambda: arrivals.refused > 0)
    assert arrivals.refused == 1
    arrivals.began()
    await until(lambda: arrivals.refused > 1)
    assert arrivals.refused == 2


async def test_two_calls_on_one_connection_are_one_arrival() -> None:
    arrivals = Arrivals(patience_s=0.0)
    arrivals.start()
    arrivals.began()
    arrivals.entered("ipv4:10.0.0.1:1")
    arrivals.entered("ipv4:10.0.0.1:1")
    arrivals.left("ipv4:10.0.0.1:1")
    arrivals.entered("ipv4:10.0.0.1:1")
    arrivals.began()
    await until(lambda: arrivals.refused > 0)
    assert arrivals.refused == 1
