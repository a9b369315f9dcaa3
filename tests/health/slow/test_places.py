"""Places: first come, first served."""

import asyncio

from vedette.health.slow import places
from vedette.health.slow.places import Places


def test_who_comes_first_is_served_first_and_who_leaves_the_line_holds_up_nobody() -> None:
    async def scenario() -> None:
        taken, order = Places(1, "are in use"), []
        await taken.take()

        async def one(name: str) -> None:
            await taken.take()
            order.append(name)
            taken.give_back()

        first, second, third = (asyncio.create_task(one(name)) for name in ("first", "second", "third"))
        await asyncio.sleep(0)
        assert set(places.waiting.values()) == {"1 are in use"}
        second.cancel()
        taken.give_back()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert order == ["first", "third"]
        assert not places.waiting

    asyncio.run(scenario())


def test_a_place_that_is_given_to_one_who_is_cancelled_at_once_is_not_lost() -> None:
    async def scenario() -> None:
        taken = Places(1, "are in use")
        await taken.take()
        late = asyncio.create_task(taken.take())
        await asyncio.sleep(0)
        taken.give_back()
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        await asyncio.wait_for(taken.take(), 1)

    asyncio.run(scenario())
