"""A client process with stock grpcio and nothing of ours: `python -m tests.e2e.stock_grpc`."""

import asyncio

import grpc.aio

from tests.e2e.calling import obey

if __name__ == "__main__":
    asyncio.run(obey(grpc.aio.insecure_channel))
