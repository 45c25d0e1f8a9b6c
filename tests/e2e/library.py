"""A client process with Trimtab's client library: `python -m tests.e2e.library`."""

import asyncio

from tests.e2e.calling import obey
from trimtab import aio

if __name__ == "__main__":
    asyncio.run(obey(aio.channel))
