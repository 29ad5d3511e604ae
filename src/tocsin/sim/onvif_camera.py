"""A simulated ONVIF camera: profiles S and T, a head that moves, events by pull point, and the oddities of the field.

It serves SOAP over HTTP on one port; its pictures come from an `RtspCamera` beside it.

Source: ONVIF Core, Media, Media 2, PTZ, Imaging; alarm reference, ONVIF events.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ssl
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.protocols.gb28181 import control, ptz
from tocsin.protocols.onvif.soap import Element, Unreadable, child, descendants, local, read_xml, text
from tocsin.protocols.sip import digest
from tocsin.sim.camera_head import CameraHead
from tocsin.sim.onvif_card import OnvifCard
from tocsin.sim.onvif_imaging import SimImaging

BOMB: Final = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    b'<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
)
MAX_REQUEST_BYTES: Final = 256 << 10
MAX_SUBSCRIPTIONS: Final = 2
SNAPSHOT_PATH: Final = "/snapshot.jpg"
NAMESPACES: Final = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl" '
    'xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
    'xmlns:timg="http://www.onvif.org/ver20/imaging/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tns1="http://www.onvif.org/ver10/topics" '
    'xmlns:tmd="http://www.onvif.org/ver10/deviceIO/wsdl" xmlns:ter="http://www.onvif.org/ver10/error"'
)


@dataclass(frozen=True, slots=True)
class OnvifQuirks:
    """What this camera does otherwise than it should.

    `auth` is token (in the message), digest, none, or open (a password for pictures only).
    """

    auth: str = "token"
    media2: bool = True
    services: bool = True  # False: only GetCapabilities
    skew_s: float = 0.0
    hangs: bool = False
    bomb: bool = False
    endless: bool = False  # an answer that never stops
    garbage: bool = False
    other_prefixes: bool = False
    inner_addresses: bool = False  # names an address behind its router
    relative_addresses: bool = False
    soap11_faults: bool = False
    stale_nonces: bool = False  # every nonce is good once
    forgets_subscriptions: bool = False
    absolute_times: bool = False  # knows no durations
    echo: bool = True  # wants reference parameters back


class OnvifCamera:
    """Serves one camera. `counts` says what was asked, `refused` how many wrong passwords came."""

    def __init__(
        self,
        clock: Clock,
        stream_url: Callable[[], str],
        *,
        username: str = "admin",
        password: str = "Tocsin-12",  # noqa: S107  a password of a simulated camera
        maker: str = "Hewan",
        model: str = "IPC-7",
        sub_stream: bool = True,
        moves: bool = True,
        snapshot: Callable[[], bytes] | None = None,
        tls: ssl.SSLContext | None = None,
        card: OnvifCard | None = None,
        quirks: OnvifQuirks = OnvifQuirks(),
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.refused = 0
        self.port = 0
        self.quirks = quirks
        self.head = CameraHead(clock.monotonic)
        self.imaging = SimImaging()
        self.presets: dict[str, str] = {}
        self.is_rebooted = False
        self._clock = clock
        self._stream_url = stream_url
        self._username = username
        self._password = password
        self._maker = maker
        self._model = model
        self._has_sub = sub_stream
        self._moves = moves
        self._snapshot = snapshot
        self.tls = tls
        self._card = card
        self._nonce = new_token()[:16]
        self._seen_tokens: set[str] = set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._subscriptions: dict[str, asyncio.Queue[str]] = {}
        self._states: dict[str, tuple[str, str, str, str]] = {}
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        """The address of its device service."""
        return f"{self._scheme}://127.0.0.1:{self.port}/onvif/device_service"

    @property
    def _scheme(self) -> str:
        return "https" if self.tls is not None else "http"

    async def start(self, port: int = 0, *, host: str = "127.0.0.1") -> None:
        """Begin to serve. Errors: OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def until(self, holds: Callable[[OnvifCamera], bool]) -> None:
        """Wait until something holds of this camera; it is looked at after every request."""
        while not holds(self):
            self._changed.clear()
            await self._changed.wait()

    def forget_subscriptions(self) -> None:
        """Lose every subscription, as a restart does; who waits for messages is answered with none."""
        for queue in self._subscriptions.values():
            queue.put_nowait("")
        self._subscriptions.clear()

    def say(self, topic: str, source: dict[str, str], data: dict[str, str]) -> None:
        """Tell every subscriber of a change; the state is kept for those who come later."""
        items = [
            "".join(f"<tt:SimpleItem Name={quoteattr(k)} Value={quoteattr(v)}/>" for k, v in found.items())
            for found in (source, data)
        ]
        self._states[f"{topic}{items[0]}"] = (topic, items[0], items[1], "Initialized")
        for queue in self._subscriptions.values():
            if queue.qsize() < 1000:
                queue.put_nowait(self._message(topic, items[0], items[1], "Changed"))

    def _message(self, topic: str, source: str, data: str, operation: str) -> str:
        at = (self._clock.now() + timedelta(seconds=self.quirks.skew_s)).astimezone(UTC)
        return (
            '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f"{escape(topic)}</wsnt:Topic><wsnt:Message><tt:Message"
            f' UtcTime="{at.strftime("%Y-%m-%dT%H:%M:%SZ")}" PropertyOperation="{operation}">'
            f"<tt:Source>{source}</tt:Source><tt:Data>{data}</tt:Data></tt:Message></wsnt:Message>"
            "</wsnt:NotificationMessage>"
        )

    # --- HTTP ---

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                body = await reader.readexactly(min(int(headers.get("content-length", "0")), MAX_REQUEST_BYTES))
                method, path = lines[0].split(" ")[:2]
                if method == "GET":
                    await self._give_picture(path, headers, writer)
                else:
                    await self._answer(path, headers, body, writer)
                self._changed.set()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError, IndexError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        quirks = self.quirks
        try:
            envelope = read_xml(body)
        except Unreadable:
            self._write(writer, 400, b"")
            return
        content = child(envelope, "Body")
        action = next(iter(content), None) if content is not None else None
        if action is None:
            self._write(writer, 400, b"")
            return
        name = local(action)
        self.counts[name] += 1
        self._changed.set()
        if quirks.hangs:
            await asyncio.Event().wait()
        if quirks.bomb:
            self._write(writer, 200, BOMB)
            return
        if quirks.garbage:
            self._write(writer, 200, b"\x89PNG\r\n\x1a\n" + bytes(200))
            return
        if quirks.endless:
            await self._write_endless(writer)
            return
        if name != "GetSystemDateAndTime" and not self._is_allowed(headers, envelope):
            self._refuse(writer)
            return
        answer = await self._act(name, action, envelope, path)
        if answer is None:
            self._fault(writer, "ActionNotSupported", "this camera does not offer that")
            return
        if answer.startswith("!"):
            self._fault(writer, answer[1:], answer[1:])
            return
        self._write(writer, 200, self._wrapped(answer))

    async def _give_picture(self, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        """Answer GET of the snapshot address: with a digest, always, as cameras do whatever their ONVIF asks for."""
        self.counts["snapshot"] += 1
        if self._snapshot is None or path != SNAPSHOT_PATH:
            self._write(writer, 404, b"")
            return
        credentials = digest.parse_credentials(headers.get("authorization", ""))
        is_right = (
            credentials is not None
            and credentials.username == self._username
            and digest.verify(credentials, self._password, "GET")
        )
        self.refused += credentials is not None and not is_right
        if not is_right and self.quirks.auth != "none":
            challenge = digest.Challenge("camera", self._nonce).encode()
            self._write(writer, 401, b"", f"WWW-Authenticate: {challenge}\r\n")
        elif self.quirks.endless:
            await self._write_endless(writer)
        else:
            picture = await asyncio.get_running_loop().run_in_executor(None, self._snapshot)
            self._write(writer, 200, picture, kind="image/jpeg")

    def _wrapped(self, answer: str) -> bytes:
        whole = f"<s:Envelope {NAMESPACES}><s:Body>{answer}</s:Body></s:Envelope>"
        if self.quirks.other_prefixes:
            for former, made in (("tt", "onv"), ("trt", "ns4"), ("tr2", "ns5"), ("tds", "ns1"), ("s", "SOAP-ENV")):
                whole = whole.replace(f"<{former}:", f"<{made}:").replace(f"</{former}:", f"</{made}:")
                whole = whole.replace(f"xmlns:{former}=", f"xmlns:{made}=")
        return b'<?xml version="1.0" encoding="utf-8"?>\n' + whole.encode()

    def _write(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: bytes,
        more: str = "",
        kind: str = "application/soap+xml",
    ) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        writer.write(head.encode() + body)

    async def _write_endless(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n<a>")
        while not writer.is_closing():
            writer.write(b"<b>" * 20_000)
            await writer.drain()

    def _fault(self, writer: asyncio.StreamWriter, code: str, reason: str, status: int = 400) -> None:
        if self.quirks.soap11_faults:
            body = f"<s:Fault><faultcode>ter:{code}</faultcode><faultstring>{reason}</faultstring></s:Fault>"
        else:
            body = (
                f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value></s:Subcode>"
                f'</s:Code><s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
            )
        self._write(writer, status, self._wrapped(body))

    # --- who asks ---

    def _refuse(self, writer: asyncio.StreamWriter) -> None:
        if self.quirks.auth == "digest":
            challenge = digest.Challenge("camera", self._nonce).encode()
            self._write(writer, 401, b"", f"WWW-Authenticate: {challenge}\r\n")
        else:
            self._fault(writer, "NotAuthorized", "Sender not Authorized")

    def _is_allowed(self, headers: dict[str, str], envelope: Element) -> bool:
        if self.quirks.auth in ("none", "open"):
            return True
        if self.quirks.auth == "digest":
            credentials = digest.parse_credentials(headers.get("authorization", ""))
            if credentials is None:
                return False
            if credentials.nonce != self._nonce:
                return False  # an old one: a new challenge goes out, no password was wrong
            is_right = credentials.username == self._username and digest.verify(credentials, self._password, "POST")
            self.refused += not is_right
            if self.quirks.stale_nonces:
                self._nonce = new_token()[:16]
            return is_right
        token = next(iter(descendants(envelope, "UsernameToken")), None)
        if token is None:
            return False
        is_right = self._is_right_token(token)
        self.refused += not is_right
        return is_right

    def _is_right_token(self, token: Element) -> bool:
        nonce, created = text(token, "Nonce"), text(token, "Created")
        try:
            at = datetime.fromisoformat(created.replace("Z", "+00:00"))
            made = hashlib.sha1(
                b64decode(nonce) + created.encode() + self._password.encode(), usedforsecurity=False
            ).digest()
        except ValueError:
            return False
        own = self._clock.now() + timedelta(seconds=self.quirks.skew_s)
        is_fresh = abs((at - own).total_seconds()) < 5 and nonce not in self._seen_tokens
        self._seen_tokens.add(nonce)
        is_same = hmac.compare_digest(b64encode(made).decode(), text(token, "Password"))
        return is_fresh and is_same and text(token, "Username") == self._username

    # --- what is asked ---

    async def _act(self, name: str, action: Element, envelope: Element, path: str) -> str | None:
        if name in ("PullMessages", "Renew", "Unsubscribe") or (name == "SetSynchronizationPoint" and "/sub/" in path):
            return await self._of_subscription(name, envelope, path)
        maker = getattr(self, f"_do_{name}", None)
        if maker is None and self._card is not None:
            return self._card.answer(name, action)
        return maker(action) if maker is not None else None

    def _at(self, path: str) -> str:
        if self.quirks.relative_addresses:
            return path
        host = "192.0.2.77" if self.quirks.inner_addresses else f"127.0.0.1:{self.port}"
        return f"{self._scheme}://{host}{path}"

    def _do_GetSystemDateAndTime(self, action: Element) -> str:
        now = (self._clock.now() + timedelta(seconds=self.quirks.skew_s)).astimezone(UTC)
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Time>"
            f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _do_GetDeviceInformation(self, action: Element) -> str:
        return (
            f"<tds:GetDeviceInformationResponse><tds:Manufacturer>{escape(self._maker)}</tds:Manufacturer><tds:Model>"
            f"{escape(self._model)}</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>1"
            "</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _do_GetServices(self, action: Element) -> str | None:
        if not self.quirks.services:
            return None
        paths = {"ver10/media": "media", "ver20/ptz": "ptz", "ver10/events": "events", "ver20/imaging": "imaging"}
        if not self._moves:
            del paths["ver20/ptz"]
        if self._card is not None:
            paths |= {"ver10/search": "search", "ver10/replay": "replay"}
        paths |= {"ver10/deviceIO": "io"} | ({"ver20/media": "media2"} if self.quirks.media2 else {})
        return (
            "<tds:GetServicesResponse>"
            + "".join(
                f"<tds:Service><tds:Namespace>http://www.onvif.org/{name}/wsdl</tds:Namespace><tds:XAddr>"
                f"{self._at(f'/onvif/{path}')}</tds:XAddr></tds:Service>"
                for name, path in paths.items()
            )
            + "</tds:GetServicesResponse>"
        )

    def _do_GetCapabilities(self, action: Element) -> str:
        names = {"Media": "media", "PTZ": "ptz", "Events": "events", "Imaging": "imaging"}
        inner = "".join(
            f"<tt:{name}><tt:XAddr>{self._at(f'/onvif/{path}')}</tt:XAddr></tt:{name}>" for name, path in names.items()
        )
        return (
            f"<tds:GetCapabilitiesResponse><tds:Capabilities>{inner}</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _do_GetProfiles(self, action: Element) -> str:
        is_media2 = "ver20" in str(action.tag)
        prefix = "tr2" if is_media2 else "trt"
        sizes = [("main", 1280, 720), *([("sub", 640, 360)] if self._has_sub else [])]
        found = ""
        for token, width, height in sizes:
            source = "<tt:SourceToken>VS1</tt:SourceToken>"
            encoder = (
                f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}"
                "</tt:Height></tt:Resolution>"
            )
            head = ('<tr2:PTZ token="p"/>' if is_media2 else '<tt:PTZConfiguration token="p"/>') if self._moves else ""
            if is_media2:
                inner = (
                    f'<tr2:Configurations><tr2:VideoSource token="v">{source}</tr2:VideoSource><tr2:VideoEncoder token="e">'  # noqa: E501
                    f"{encoder}</tr2:VideoEncoder>{head}</tr2:Configurations>"
                )
            else:
                inner = (
                    f'<tt:VideoSourceConfiguration token="v">{source}</tt:VideoSourceConfiguration>'
                    f'<tt:VideoEncoderConfiguration token="e">{encoder}</tt:VideoEncoderConfiguration>'
                    f"{head}"
                )
            name = "Name"
            tag = "tr2" if is_media2 else "tt"
            found += (
                f'<{prefix}:Profiles token="{token}"><{tag}:{name}>{token}</{tag}:{name}>{inner}</{prefix}:Profiles>'
            )
        return f"<{prefix}:GetProfilesResponse>{found}</{prefix}:GetProfilesResponse>"

    def _do_GetStreamUri(self, action: Element) -> str:
        url = self._stream_url()
        if self.quirks.inner_addresses:
            url = url.replace("127.0.0.1", "192.0.2.77")
        url = escape(url)
        if "ver20" in str(action.tag):
            return f"<tr2:GetStreamUriResponse><tr2:Uri>{url}</tr2:Uri></tr2:GetStreamUriResponse>"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{url}</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>"
        )

    def _do_GetSnapshotUri(self, action: Element) -> str | None:
        if self._snapshot is None:
            return None
        url = escape(self._at(SNAPSHOT_PATH))
        if "ver20" in str(action.tag):
            return f"<tr2:GetSnapshotUriResponse><tr2:Uri>{url}</tr2:Uri></tr2:GetSnapshotUriResponse>"
        return (
            f"<trt:GetSnapshotUriResponse><trt:MediaUri><tt:Uri>{url}</tt:Uri></trt:MediaUri>"
            "</trt:GetSnapshotUriResponse>"
        )

    def _do_GetDigitalInputs(self, action: Element) -> str:
        return '<tmd:GetDigitalInputsResponse><tmd:DigitalInputs token="DI_1"/></tmd:GetDigitalInputsResponse>'

    def _do_ContinuousMove(self, action: Element) -> str:
        turn, zoom = (next(iter(descendants(action, name)), None) for name in ("PanTilt", "Zoom"))
        x, y = (float(turn.get(k) or 0) if turn is not None else 0.0 for k in ("x", "y"))
        z = float(zoom.get("x") or 0) if zoom is not None else 0.0
        move = ptz.Move(round(x * ptz.MAX_SPEED), round(y * ptz.MAX_SPEED), round(z * ptz.MAX_ZOOM_SPEED))
        self.head.obey(control.Ptz(move))
        return "<tptz:ContinuousMoveResponse/>"

    def _do_GetOptions(self, action: Element) -> str:
        return self.imaging.options()

    def _do_GetImagingSettings(self, action: Element) -> str:
        return self.imaging.settings()

    def _do_SetImagingSettings(self, action: Element) -> str:
        return self.imaging.set(action) or "!SettingsInvalid"

    def _do_GetMoveOptions(self, action: Element) -> str:
        return self.imaging.move_options()

    def _do_Move(self, action: Element) -> str:
        return self.imaging.move(action)

    def _do_Stop(self, action: Element) -> str:
        if "imaging" in str(action.tag):
            return self.imaging.stop()
        self.head.obey(control.Ptz(ptz.STOP))
        return "<tptz:StopResponse/>"

    def _do_GetPresets(self, action: Element) -> str:
        inner = "".join(
            f"<tptz:Preset token={quoteattr(token)}><tt:Name>{escape(name)}</tt:Name></tptz:Preset>"
            for token, name in self.presets.items()
        )
        return f"<tptz:GetPresetsResponse>{inner}</tptz:GetPresetsResponse>"

    def _do_SetPreset(self, action: Element) -> str:
        token = text(action, "PresetToken") or f"P{len(self.presets) + 1}"
        self.presets[token] = text(action, "PresetName")
        self.head.obey(control.Ptz(ptz.Preset(ptz.PresetOp.SET, list(self.presets).index(token) + 1)))
        return f"<tptz:SetPresetResponse><tptz:PresetToken>{token}</tptz:PresetToken></tptz:SetPresetResponse>"

    def _do_GotoPreset(self, action: Element) -> str:
        token = text(action, "PresetToken")
        if token not in self.presets:
            return "!NoToken"
        self.head.obey(control.Ptz(ptz.Preset(ptz.PresetOp.CALL, list(self.presets).index(token) + 1)))
        return "<tptz:GotoPresetResponse/>"

    def _do_RemovePreset(self, action: Element) -> str:
        self.presets.pop(text(action, "PresetToken"), None)
        return "<tptz:RemovePresetResponse/>"

    def _do_SystemReboot(self, action: Element) -> str:
        self.is_rebooted = True
        return "<tds:SystemRebootResponse><tds:Message>now</tds:Message></tds:SystemRebootResponse>"

    def _do_SetSynchronizationPoint(self, action: Element) -> str:
        return "<tr2:SetSynchronizationPointResponse/>"

    def _do_CreatePullPointSubscription(self, action: Element) -> str:
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            return "!SubscribeCreationFailedFault"
        if self.quirks.absolute_times and text(action, "InitialTerminationTime").startswith("P"):
            return "!UnacceptableInitialTerminationTimeFault"
        name = new_token()[:10]
        self._subscriptions[name] = asyncio.Queue()
        echo = f'<a:ReferenceParameters><x:Sub xmlns:x="urn:x">{name}</x:Sub></a:ReferenceParameters>'
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><a:Address>"
            f"{self._at(f'/onvif/sub/{name}')}</a:Address>{echo if self.quirks.echo else ''}</tev:SubscriptionReference>"  # noqa: E501
            "<wsnt:CurrentTime>2026-01-01T00:00:00Z</wsnt:CurrentTime>"
            "<wsnt:TerminationTime>2026-01-01T00:10:00Z</wsnt:TerminationTime>"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    async def _of_subscription(self, name: str, envelope: Element, path: str) -> str:
        key = path.rpartition("/")[2]
        queue = self._subscriptions.get(key)
        if queue is None:
            return "!ResourceUnknownFault"
        if self.quirks.echo and text(child(envelope, "Header"), "Sub") != key:
            return "!InvalidMessageInformationHeader"
        if name == "Unsubscribe":
            del self._subscriptions[key]
            return "<wsnt:UnsubscribeResponse/>"
        if name == "Renew":
            return "<wsnt:RenewResponse/>"
        if name == "SetSynchronizationPoint":
            for state in self._states.values():
                queue.put_nowait(self._message(*state))
            return "<tev:SetSynchronizationPointResponse/>"
        found: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                found.append(await queue.get())
        while not queue.empty():
            found.append(queue.get_nowait())
        return f"<tev:PullMessagesResponse>{''.join(found)}</tev:PullMessagesResponse>"


class ProbeAnswerer(asyncio.DatagramProtocol):
    """Answers discovery probes for a camera."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a probe, and nothing else."""
        if b"Probe" not in data or self._transport is None:
            return
        answer = (
            f"<s:Envelope {NAMESPACES}><s:Body><ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/"
            f"{quote(self._name)}</Scopes><XAddrs>{escape(self._url)}</XAddrs></ProbeMatch></ProbeMatches></s:Body>"
            "</s:Envelope>"
        )
        self._transport.sendto(answer.encode(), addr)
