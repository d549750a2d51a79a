"""Ask an application as a program on the same machine does, without a port."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

HERE = "http://127.0.0.1:8000"


class Client:
    """What asks an ASGI application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, content: Any = b"", **given: Any) -> httpx.Response:
        return self.request("POST", path, content=content, **given)

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        return asyncio.run(self.asked(method, path, **given))

    async def asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=HERE) as client:
            return await client.request(method, path, **given)
