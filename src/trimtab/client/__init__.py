"""Channels for service developers: discovery ▸ pool ▸ grpc, grpc.aio."""
