"""Calls to one ONVIF camera over HTTP: its clock allowed for, its password given once, everything bounded.

Which way a camera wants its password (HTTP digest, or a token in the message) is learned from a question asked without
one, so that the first time the password is sent it is sent the right way.

Source: ONVIF Core, access control and security; alarm reference, client rules of ONVIF events.
"""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.base.pins import WrongPin, check_pin, read_certificate, spaced, tls_context
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
        self.is_fetch_refused = False  # cameras may keep another user for pictures than for ONVIF
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

    async def find_profiles(self) -> list[calls.Profile]:
        """Learn where the services are and return the profiles of all pictures. Errors: CallFailed."""
        for question in (calls.GET_SERVICES, calls.GET_CAPABILITIES):
            with contextlib.suppress(CallFailed):
                for name, address in calls.read_services(await self.call(question)).items():
                    found = calls.at_host(address, self.camera.url)
                    if found:
                        self.services.setdefault(name, found)
            if calls.MEDIA1 in self.services or calls.MEDIA2 in self.services:
                break
        if self.is_refused:
            raise CallFailed("camera.wrong_password")
        question = calls.GET_PROFILES2 if self.is_media2 else calls.GET_PROFILES1
        return calls.read_profiles(await self.call(question, service=self.media))

    async def stream_url(self, profile: calls.Profile) -> str:
        """Return the address of a profile's stream, at the host people entered. Errors: CallFailed."""
        question = calls.get_stream_uri(profile.token, is_media2=self.is_media2)
        answer = await self.call(question, service=self.media)
        url = calls.at_host(calls.read_uri(answer), self.camera.url, scheme="rtsp")
        if not url:
            raise CallFailed("camera.not_understood", reason="uri")
        return url

    @property
    def is_media2(self) -> bool:
        """True when the camera speaks Media 2 (profile T)."""
        return calls.MEDIA2 in self.services

    @property
    def media(self) -> str:
        """The media service that is used."""
        return calls.MEDIA2 if self.is_media2 else calls.MEDIA1

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
                    "POST",
                    url,
                    content=content,
                    headers={"Content-Type": CONTENT_TYPE, **headers},
                    extensions=await self._over_tls(url),
                ) as answer,
            ):
                async for part in answer.aiter_raw(READ_BYTES):
                    size += len(part)
                    if size > MAX_BYTES:
                        raise CallFailed("camera.not_understood", reason="too_large")
                    parts.append(part)
                return answer.status_code, b"".join(parts), answer.headers
        except WrongPin as wrong:
            raise CallFailed("camera.certificate_changed", shown=spaced(wrong.shown)) from wrong
        except TimeoutError as error:
            raise CallFailed("camera.silent", host=urlsplit(url).netloc, reason="timeout") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            reason = str(error)[:80] or type(error).__name__
            raise CallFailed("camera.silent", host=urlsplit(url).netloc, reason=reason) from error

    async def fetch(self, url: str, limit: int, within_s: float) -> tuple[str, bytes]:
        """Fetch a picture; return its content type and bytes. A refused password is not given a second time.

        The password goes out as a digest, or as it is over TLS. Errors: CallFailed.
        """
        if self.is_refused or self.is_fetch_refused:
            raise CallFailed("camera.password_held_back")
        headers: dict[str, str] = {}
        for attempt in (1, 2):
            status, kind, body, found = await self._get(url, headers, limit, within_s)
            if status != 401:
                break
            if attempt == 2:
                self.is_fetch_refused = True
                raise CallFailed("camera.wrong_password")
            headers = self._answer_to(found, url)
        if status >= 300:
            raise CallFailed("camera.refused", reason=f"HTTP {status}")
        return kind, body

    def _answer_to(self, headers: httpx.Headers, url: str) -> dict[str, str]:
        camera = self.camera
        if not camera.username or not camera.password:
            raise CallFailed("camera.password_missing")
        offered = headers.get_list("www-authenticate")
        found = [c for value in offered if (c := digest.parse_challenge(value)) is not None]
        found.sort(key=lambda challenge: challenge.algorithm is not digest.Algorithm.SHA256)
        if found:
            parts = urlsplit(url)
            uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            given = digest.answer(
                found[0],
                username=camera.username,
                password=camera.password,
                method="GET",
                uri=uri,
                cnonce=self._cnonce,
                count=1,
            )
            return {"Authorization": given.encode()}
        if url.lower().startswith("https:") and any(value.lower().startswith("basic") for value in offered):
            pair = f"{camera.username}:{camera.password}".encode()
            return {"Authorization": f"Basic {b64encode(pair).decode()}"}
        raise CallFailed("camera.refused", reason="HTTP 401, no digest")

    async def _get(
        self, url: str, headers: dict[str, str], limit: int, within_s: float
    ) -> tuple[int, str, bytes, httpx.Headers]:
        parts: list[bytes] = []
        size = 0
        try:
            async with (
                asyncio.timeout(within_s),
                self._http.stream("GET", url, headers=headers, extensions=await self._over_tls(url)) as answer,
            ):
                if answer.status_code < 300:
                    async for part in answer.aiter_raw(READ_BYTES):
                        size += len(part)
                        if size > limit:
                            raise CallFailed("camera.not_understood", reason="too_large")
                        parts.append(part)
                kind = answer.headers.get("content-type", "")[:80]
                return answer.status_code, kind, b"".join(parts), answer.headers
        except WrongPin as wrong:
            raise CallFailed("camera.certificate_changed", shown=spaced(wrong.shown)) from wrong
        except TimeoutError as error:
            raise CallFailed("camera.silent", host=urlsplit(url).netloc, reason="timeout") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            reason = str(error)[:80] or type(error).__name__
            raise CallFailed("camera.silent", host=urlsplit(url).netloc, reason=reason) from error

    async def _over_tls(self, url: str) -> dict[str, Any]:
        """Return how a connection over TLS is watched: it is cut before a byte is sent to whom nobody accepted."""
        if not url.lower().startswith("https:"):
            return {}
        if not self.camera.certificate:
            parts = urlsplit(url)
            found = await read_certificate(parts.hostname or "", parts.port or 443)
            raise CallFailed("camera.certificate_unknown", shown=spaced(found.fingerprint))

        async def watch(event: str, info: dict[str, Any]) -> None:
            if event == "connection.start_tls.complete":
                stream = info["return_value"]
                try:
                    check_pin(stream.get_extra_info("ssl_object"), self.camera.certificate)
                except WrongPin:
                    await stream.aclose()
                    raise

        return {"trace": watch}

    def _read(self, answer: tuple[int, bytes, httpx.Headers]) -> Element | Fault:
        try:
            return read_envelope(answer[1])
        except Unreadable as error:
            if answer[0] >= 400:
                raise CallFailed("camera.refused", reason=f"HTTP {answer[0]}") from error
            raise CallFailed("camera.not_understood", reason=error.reason) from error


def make_http() -> httpx.AsyncClient:
    """Return the client all cameras share: no redirects, no proxies, no decompression of what they send.

    Certificates are compared with the accepted one by `OnvifCalls` itself, before anything is sent.
    """
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=200, keepalive_expiry=30.0)
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=4.0),
        limits=limits,
        follow_redirects=False,
        trust_env=False,
        verify=tls_context(),
        headers={"Accept-Encoding": "identity", "User-Agent": "Tocsin"},
    )
