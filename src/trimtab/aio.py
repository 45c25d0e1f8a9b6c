"""The same public face for asyncio."""
