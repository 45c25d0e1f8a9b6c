"""What becomes of answers that are none."""

import pytest

from tests.control.kube.fake_api_server import FakeApiServer, Fault, fake_api_server
from tests.control.kube.following import access
from tests.control.kube.json_objects import endpoint_slice
from trimtab.control.kube.api_client import ApiClient
from trimtab.control.kube.kinds import SLICES
from trimtab.control.kube.messages import Failure, Unanswered, read_page


async def failure(api: FakeApiServer, query: dict[str, str]) -> Failure:
    async with ApiClient(access(api.url), "test") as client:
        with pytest.raises(Unanswered) as caught:
            await client.get(SLICES.path("prod"), query, "application/json")
    return caught.value.failure


@pytest.mark.parametrize("plain", [True, False])
async def test_who_asks_too_much_is_told_when_to_come_back(plain: bool) -> None:
    """By priority and fairness, in a text, and by a storage that is not ready, in a Status."""
    async with fake_api_server() as api:
        api.fail("endpointslices", Fault(status=429, plain=plain, retry_after_s=7))
        found = await failure(api, {"limit": "100"})
    assert (found.status, found.retry_after_s) == (429, 7.0)
    assert ("Too many requests" in found.message) is plain


async def test_a_version_that_is_not_yet_known_means_to_look_again_in_a_second() -> None:
    async with fake_api_server() as api:
        found = await failure(api, {"resourceVersion": "1000"})
    assert (found.status, found.retry_after_s, found.expired) == (504, 1.0, True)


async def test_the_rest_of_a_list_that_was_compacted_away_means_to_look_again() -> None:
    async with fake_api_server(*(endpoint_slice("10.0.0.1", name=f"payments-{n}") for n in range(3))) as api:
        async with ApiClient(access(api.url), "test") as client:
            page = read_page(SLICES, await client.get(SLICES.path("prod"), {"limit": "2"}, "application/json"))
        assert (len(page.items), bool(page.more)) == (2, True)
        api.forget()
        found = await failure(api, {"limit": "2", "continue": page.more})
    assert (found.status, found.reason, found.expired) == (410, "Expired", True)
