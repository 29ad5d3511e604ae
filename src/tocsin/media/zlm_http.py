"""The two ways between us and a ZLMediaKit server: we ask its interface, and its hooks ask us.

Untested against a real server (design note 0014).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.media import zlm

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S: Final = 5.0
HOOK_TIMEOUT_S: Final = 5.0
MAX_CALLS: Final = 16
MAX_HOOKS: Final = 256

_STATUS: Final = {ErrorCode.FORBIDDEN: "403 Forbidden", ErrorCode.INVALID: "400 Bad Request"}


class ZlmClient:
    """Asks the server's interface; at most 16 questions are under way at once."""

    def __init__(self, url: str, secret: str) -> None:
        """`url` is http:// or https:// with host and port; `secret` the server's `api.secret`."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._netloc = parts.netloc
        self._secret = secret
        self._room = asyncio.Semaphore(MAX_CALLS)

    async def call(
        self, verb: str, fields: Mapping[str, str] | None = None, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Mapping[str, Any]:
        """Return the fields of the answer. Errors: UNAVAILABLE, with the key of what failed; the secret is in none."""
        request = zlm.pack_request(f"/index/api/{verb}", self._netloc, {"secret": self._secret, **(fields or {})})
        try:
            async with asyncio.timeout(timeout_s), self._room:
                body = await self._exchange(request)
        except TimeoutError as error:
            detail = f"the media server did not answer {verb} within {timeout_s:g} s"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_down") from error
        except (OSError, EOFError) as error:
            detail = f"the media server cannot be asked: {type(error).__name__}"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_down") from error
        except asyncio.LimitOverrunError as error:
            detail = "media server: the answer's head is too long"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_answer") from error
        return zlm.read_answer(body)

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=self._is_tls or None, limit=zlm.MAX_HEAD_BYTES
        )
        try:
            writer.write(request)
            length = zlm.body_length(await reader.readuntil(b"\r\n\r\n"))
            if length is not None:
                return await reader.readexactly(length)
            body = bytearray()
            while part := await reader.read(1 << 16):
                body += part
                if len(body) > zlm.MAX_ANSWER_BYTES:
                    detail = "media server: the answer is too long"
                    raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_answer")
            return bytes(body)
        finally:
            writer.close()


class HookServer:
    """Answers the server's hooks: from allowed networks, with the secret in the path, one to a connection."""

    def __init__(
        self,
        secret: str,
        networks: tuple[str, ...],
        answer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        """`answer` takes the hook's name and fields and must not wait."""
        self._secret = secret
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in networks)
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._open = 0
        self.port = 0
        self.turned_away = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Errors: UNAVAILABLE when the port is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=zlm.MAX_HEAD_BYTES)
        except OSError as error:
            detail = f"hooks of the media server cannot be heard on {host} port {port}: {error.strerror}"
            detail += "; set media.external_hook_port"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_hooks") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_HOOKS or not self._is_allowed(str(writer.get_extra_info("peername")[0])):
            self.turned_away += 1
            writer.close()
            return
        self._open += 1
        try:
            async with asyncio.timeout(HOOK_TIMEOUT_S):
                status, content = await self._hear(reader)
                body = json.dumps(content).encode()
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
                await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            self.turned_away += 1
        finally:
            self._open -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> tuple[str, Mapping[str, Any]]:
        try:
            name, length = zlm.read_hook_head(await reader.readuntil(b"\r\n\r\n"), self._secret)
            fields = zlm.read_hook_body(await reader.readexactly(length))
        except TocsinError as error:
            self.turned_away += 1
            log.warning("hook of the media server turned away", reason=error.detail)
            return _STATUS.get(error.code, "400 Bad Request"), zlm.refused(error.detail)
        return "200 OK", self._answer(name, fields)

    def _is_allowed(self, ip: str) -> bool:
        address = ipaddress.ip_address(ip.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        address = mapped or address
        is_allowed = any(address in network for network in self._networks)
        if not is_allowed:
            log.warning("hook from outside media.external_hook_networks turned away", ip=str(address))
        return is_allowed
