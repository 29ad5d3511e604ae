"""Calls to one ONVIF camera over HTTP: its clock allowed for, its password given once, everything bounded.

Which way a camera wants its password (HTTP digest, or a token in the message) is learned from a question asked without
one, so that the first time the password is sent it is sent the right way.

Source: ONVIF Core, access control and security; alarm reference, client rules of ONVIF events.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import httpx

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.domain.directory import IpCamera
from tocsin.protocols.onvif import calls
from tocsin.protocols.onvif.soap import (
    CONTENT_TYPE,
    MAX_BYTES,
    Element,
    Fault,
    Unreadable,
    envelope,
    read_envelope,
    username_token,
)
from tocsin.protocols.sip import digest

CALL_S: Final = 8.0
SKEW_TOLD_S: Final = 5.0
READ_BYTES: Final = 65_536


class CallFailed(Exception):
    """A call that brought no answer; `key` is a message key, `params` go into its words."""

    def __init__(self, key: str, **params: str | int) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


class OnvifCalls:
    """The calls to one camera. After a refusal of the password nothing that needs one is sent."""

    def __init__(self, camera: IpCamera, clock: Clock, http: httpx.AsyncClient) -> None:
        self.camera = camera
        self.services: dict[str, str] = {calls.DEVICE: camera.url}
        self.skew_s = 0.0
        self.is_refused = False
        self._clock = clock
        self._http = http
        self._way = ""  # "", token, digest
        self._has_accepted = False
        self._challenge: digest.Challenge | None = None
        self._count = 0
        self._cnonce = new_token()[:16]

    async def read_clock(self) -> float:
        """Ask for the camera's clock, which needs no password; return how far it is ahead of ours, in seconds."""
        answer = await self._post(self.camera.url, envelope(calls.GET_TIME), {})
        element = self._read(answer)
        at = None if isinstance(element, Fault) else calls.read_time(element)
        self.skew_s = 0.0 if at is None else (at - self._clock.now()).total_seconds()
        return self.skew_s

    async def learn_way(self) -> None:
        """Find out how the camera wants its password, by a question that needs one, asked without."""
        status, _, headers = await self._post(self.camera.url, envelope(calls.GET_INFORMATION), {})
        if status == 401:
            found = [c for value in headers.get_list("www-authenticate") if (c := digest.parse_challenge(value))]
            found.sort(key=lambda challenge: challenge.algorithm is not digest.Algorithm.SHA256)
            if found:
                self._way, self._challenge, self._count = "digest", found[0], 0
                return
        self._way = "token"

    async def call(
        self, body: str, *, service: str = calls.DEVICE, address: str = "", headers: str = "", within_s: float = CALL_S
    ) -> Element:
        """Return the answer to a call. Errors: CallFailed; a password refused once is not sent again."""
        url = address or self.services.get(service, "")
        if not url:
            raise CallFailed("camera.not_offered", service=service.rpartition("/wsdl")[0].rpartition("/")[2])
        if self.is_refused:
            raise CallFailed("camera.password_held_back")
        if self.camera.username and not self.camera.password:
            raise CallFailed("camera.password_missing")
        if not self._way:
            await self.learn_way()
        for attempt in (1, 2):
            status, content, found = await self._post(url, *self._signed(url, body, headers), within_s=within_s)
            if status == 401 and self._takes_new_challenge(found) and attempt == 1:
                continue
            break
        if status == 401 or status == 403:
            raise self._refused()
        element = self._read((status, content, found))
        if isinstance(element, Fault):
            if element.is_about_credentials:
                raise self._refused()
            raise CallFailed("camera.refused", reason=element.says)
        self._has_accepted = True
        return element

    def _refused(self) -> CallFailed:
        if not self.camera.password:
            return CallFailed("camera.password_missing")
        self.is_refused = True
        return CallFailed("camera.wrong_password")

    def _takes_new_challenge(self, headers: httpx.Headers) -> bool:
        """A new nonce is answered once when the old one grew stale, or the password has been accepted before."""
        for value in headers.get_list("www-authenticate"):
            challenge = digest.parse_challenge(value)
            if challenge is not None and (challenge.stale or self._has_accepted):
                self._way, self._challenge, self._count = "digest", challenge, 0
                return True
        return False

    def _signed(self, url: str, body: str, headers: str) -> tuple[bytes, dict[str, str]]:
        camera = self.camera
        if not camera.username:
            return envelope(body, headers=headers), {}
        if self._way == "digest" and self._challenge is not None:
            parts = urlsplit(url)
            uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            self._count += 1
            given = digest.answer(
                self._challenge,
                username=camera.username,
                password=camera.password,
                method="POST",
                uri=uri,
                cnonce=self._cnonce,
                count=self._count,
            )
            return envelope(body, headers=headers), {"Authorization": given.encode()}
        nonce = sha256(new_token().encode()).digest()[:16]
        created = self._clock.now() + timedelta(seconds=self.skew_s)
        return envelope(
            body, security=username_token(camera.username, camera.password, nonce, created), headers=headers
        ), {}

    async def _post(
        self, url: str, content: bytes, headers: dict[str, str], *, within_s: float = CALL_S
    ) -> tuple[int, bytes, httpx.Headers]:
        """Send one request; return status, at most a megabyte of answer, headers. Errors: CallFailed."""
        parts: list[bytes] = []
        size = 0
        try:
            async with (
                asyncio.timeout(within_s),
                self._http.stream(
                    "POST", url, content=content, headers={"Content-Type": CONTENT_TYPE, **headers}
                ) as answer,
            ):
                async for part in answer.aiter_raw(READ_BYTES):
                    size += len(part)
                    if size > MAX_BYTES:
                        raise CallFailed("camera.not_understood", reason="too_large")
                    parts.append(part)
                return answer.status_code, b"".join(parts), answer.headers
        except TimeoutError as error:
            raise CallFailed("camera.silent", host=urlsplit(url).netloc, reason="timeout") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            reason = str(error)[:80] or type(error).__name__
            raise CallFailed("camera.silent", host=urlsplit(url).netloc, reason=reason) from error

    def _read(self, answer: tuple[int, bytes, httpx.Headers]) -> Element | Fault:
        try:
            return read_envelope(answer[1])
        except Unreadable as error:
            if answer[0] >= 400:
                raise CallFailed("camera.refused", reason=f"HTTP {answer[0]}") from error
            raise CallFailed("camera.not_understood", reason=error.reason) from error


def make_http() -> httpx.AsyncClient:
    """Return the client all cameras share: no redirects, no proxies, no decompression of what they send."""
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=200, keepalive_expiry=30.0)
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=4.0),
        limits=limits,
        follow_redirects=False,
        trust_env=False,
        verify=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "Tocsin"},
    )
