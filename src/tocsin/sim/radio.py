"""A small HTTP client for the simulators: JSON in, JSON out, or a file up; one connection."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 5.0
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024


class RadioError(Exception):
    """The server did not answer, or refused; `status` is 0 when it did not answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Radio:
    """Calls the API with a bearer token."""

    def __init__(self, url: str, token: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("the simulators speak plain HTTP to loopback")
        self._timeout_s = timeout_s
        self._host, self._port = parts.hostname, parts.port or 80
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    async def get(self, path: str) -> Any:
        """Return the JSON of an address. Errors: RadioError."""
        return await asyncio.to_thread(self._ask, "GET", path, None)

    async def post(self, path: str, body: object) -> Any:
        """Send something. Errors: RadioError."""
        return await asyncio.to_thread(self._ask, "POST", path, json.dumps(body).encode())

    async def upload(self, path: str, octets: bytes) -> Any:
        """Send a file as it is. Errors: RadioError."""
        return await asyncio.to_thread(self._ask, "POST", path, octets)

    def _ask(self, method: str, path: str, data: bytes | None) -> Any:
        for is_last in (False, True):
            connection = self._connection or http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            self._connection = connection
            try:
                connection.request(method, path, data, self._headers)
                reply = connection.getresponse()
                content = reply.read(MAX_REPLY_BYTES)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._connection = None
                if is_last:
                    raise RadioError(0, f"no answer: {error}") from error
                continue  # a connection that was closed while idle
            if reply.status >= 300:
                raise RadioError(reply.status, _reason(content))
            return json.loads(content) if content else None
        raise RadioError(0, "no answer")


def _reason(content: bytes) -> str:
    """Return why the server refused: the sentence of its problem, or what it sent."""
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("detail") or found.get("title"), str):
        return str(found.get("detail") or found["title"])
    return content[:500].decode(errors="replace")
