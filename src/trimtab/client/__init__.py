"""Channels for service developers: discovery ▸ cluster ▸ connections, for synchronous and asyncio gRPC alike."""
