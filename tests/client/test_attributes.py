import asyncio

import trimtab
from trimtab.client.attributes import current


def test_inner_attributes_add_to_outer_ones() -> None:
    with trimtab.attributes(shard="7"), trimtab.attributes(cost=3):
        assert current.get() == {"shard": "7", "cost": 3}
    assert current.get() == {}


async def test_tasks_have_attributes_of_their_own() -> None:
    async def seen(shard: str) -> object:
        with trimtab.attributes(shard=shard):
            await asyncio.sleep(0)
            return current.get()["shard"]

    assert [*await asyncio.gather(seen("1"), seen("2"))] == ["1", "2"]
