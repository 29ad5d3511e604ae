"""One call of a simulated intercom: it offers G.711 and tones, sends a tone, hears digits in the sound or as INFO."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from array import array
from typing import TYPE_CHECKING, Final

from tocsin.protocols.intercom.door import read_info
from tocsin.protocols.rtp.g711 import FRAME_SAMPLES, RATE_HZ, encode_a_law
from tocsin.protocols.rtp.packet import read_packet
from tocsin.protocols.rtp.tones import ToneReader
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.dialog import (
    Accepted,
    DialogState,
    Ended,
    InviteClient,
    Local,
    Rejected,
    Ringing,
    Unanswered,
    request_in,
)
from tocsin.protocols.sip.message import Headers, Request, Response, new_branch
from tocsin.protocols.sip.reliable import rack_of
from tocsin.protocols.sip.sdp import BadSdp, MediaLine, Sdp, parse_sdp
from tocsin.protocols.sip.transaction import Send
from tocsin.sim.intercom_video import DoorVideo

if TYPE_CHECKING:
    from tocsin.sim.intercom import SimIntercoms

TONE_HZ: Final = 425
EVENT_TYPE: Final = 101
ANSWER_WITHIN_S: Final = 120.0
FRAME_S: Final = 0.020

_header = struct.Struct("!BBHII").pack


class SimCall:
    """A call from its INVITE to its end. `outcome` is answered, refused or given_up; `ended` resolves at the end."""

    def __init__(self, fleet: SimIntercoms, number: int, called: str, hold_s: float, is_sos: bool) -> None:
        loop = asyncio.get_running_loop()
        self.call_id = f"c{number}.{fleet.new_word()[:16]}"
        self.number = number
        self.status = 0
        self.tones = ToneReader()
        self.digits = ""
        self.heard = 0
        self.codec = ""
        self.rang: asyncio.Future[bool] = loop.create_future()
        self.outcome: asyncio.Future[str] = loop.create_future()
        self.ended: asyncio.Future[bool] = loop.create_future()
        self._fleet = fleet
        self._called = called
        self._hold_s = hold_s
        self._is_sos = is_sos
        self._tag = fleet.new_word()[:10]
        self._started_s = fleet.clock.monotonic()
        self._hang_up_at: float | None = None
        self._sound: socket.socket | None = None
        self._sender: asyncio.Task[None] | None = None
        self._target: tuple[str, int] | None = None
        if fleet.plan.sound:
            self._sound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sound.setblocking(False)
            self._sound.bind((fleet.plan.local_host, 0))
            loop.add_reader(self._sound.fileno(), self._hear)
        self.video = DoorVideo(fleet.plan.local_host, 0x5EEE0000 + number & 0xFFFFFFFF) if fleet.plan.video else None
        self.early_status = 0
        self._acknowledged: dict[str, bytes] = {}
        self._client = self._invite("", 1)

    def start(self) -> None:
        """Send the INVITE."""
        self._do(self._client.start(self._fleet.clock.monotonic()))

    def hang_up(self) -> None:
        """Give the call up before it is answered, or end it."""
        self._do(self._client.cancel(self._fleet.clock.monotonic()))

    def vanish(self) -> None:
        """Go without a word, as after a power cut: no BYE, no more sound."""
        self._stop_sound()
        if not self.rang.done():
            self.rang.set_result(False)
        self._fleet.calls.pop(self.call_id, None)

    def close(self) -> None:
        """Free its socket and futures without a word."""
        self._stop_sound()
        for future in (self.rang, self.outcome, self.ended):
            if not future.done():
                future.cancel()
        self._fleet.calls.pop(self.call_id, None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        at = self._client.timer()
        if at is not None and at <= now:
            self._do(self._client.handle_timer(now))
        if self._hang_up_at is not None and now >= self._hang_up_at:
            self._hang_up_at = None
            self.hang_up()

    def take_response(self, response: Response) -> None:
        """Take what the platform answers."""
        if response.status == 401 and response.method == "INVITE" and self._client.invite.headers.get("cseq")[0] == "1":
            self._do([out for out in self._client.receive(response, self._now()) if isinstance(out, Send)])
            uri = self._client.invite.uri
            self._client = self._invite(self._fleet.credentials(self.number, response, "INVITE", uri), 2)
            self.start()
            return
        if response.method == "INVITE" and 100 < response.status < 200:
            self._take_early(response)
        self._do(self._client.receive(response, self._now()))

    def _take_early(self, response: Response) -> None:
        """Acknowledge a provisional response that asks for it; send the picture whereto it says, if it is early."""
        self.early_status = response.status
        rack = rack_of(response)
        if rack:
            if rack not in self._acknowledged:
                self._acknowledged[rack] = self._prack(response, rack)
            self._fleet.send(self._acknowledged[rack], self.number)
        if self._fleet.plan.video == "early":
            self._show(response.body)

    def _prack(self, response: Response, rack: str) -> bytes:
        client, fields = self._client, response.headers
        state = DialogState(self.call_id, fields.get("from"), fields.get("to"), client.invite.uri, 0)
        branch = new_branch(self._fleet.new_word())
        made = request_in(state, "PRACK", self._local, branch, cseq=client.take_cseq())
        return Request("PRACK", made.uri, Headers([*made.headers, ("RAck", rack)])).encode()

    def _show(self, body: bytes) -> None:
        sdp = parse_sdp(body)
        if self.video is None or isinstance(sdp, BadSdp):
            return
        line = next((one for one in sdp.media if one.kind == "video"), None)
        if line is not None:
            self.video.start(line.connection or sdp.connection, line.port)

    def take_request(self, request: Request) -> None:
        """Take what the platform asks inside the call; a digit in an INFO opens the door like one in the sound."""
        if request.method == "INFO":
            self.digits += read_info(request.content_type, request.body)
        self._do(self._client.receive_request(request, self._tag))

    def _now(self) -> float:
        return self._fleet.clock.monotonic()

    def _invite(self, authorization: str, cseq: int) -> InviteClient:
        plan = self._fleet.plan
        account, port = plan.accounts[self.number], self._fleet.port
        sound_port = self._sound.getsockname()[1] if self._sound is not None else 9
        attributes = [
            ("rtpmap", "8 PCMA/8000"),
            ("rtpmap", "0 PCMU/8000"),
            ("rtpmap", f"{EVENT_TYPE} telephone-event/8000"),
            ("fmtp", f"{EVENT_TYPE} 0-15"),
            ("sendrecv", ""),
        ]
        line = MediaLine("audio", sound_port, "RTP/AVP", ("8", "0", str(EVENT_TYPE)), tuple(attributes))
        lines = (line,) if self.video is None else (line, self.video.line())
        offer = Sdp(origin_ip=plan.local_host, name="door", connection=plan.local_host, media=lines)
        headers = [("Allow", "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, PRACK"), ("Supported", "timer, 100rel")]
        if plan.prack:
            headers.append(("Require", "100rel"))
        if self._is_sos:
            headers.append(("Priority", "emergency"))
        if authorization:
            headers.append(("Authorization", authorization))
        contact = f"sip:{account}@{plan.local_host}:{port}"
        self._local = Local(f"sip:{account}@{plan.realm}", contact, plan.local_host, port, Transport.UDP)
        return InviteClient(
            target=f"sip:{self._called}@{plan.realm}",
            to_uri=f"sip:{self._called}@{plan.realm}",
            local=self._local,
            call_id=self.call_id,
            tag=self._tag,
            tokens=self._fleet.new_word,
            body=offer.encode(),
            headers=headers,
            answer_within_s=ANSWER_WITHIN_S,
            first_cseq=cseq,
        )

    def _do(self, outputs: object) -> None:
        report = self._fleet.report
        for output in outputs:  # type: ignore[attr-defined]
            if isinstance(output, Send):
                self._fleet.send(output.data, self.number)
            elif isinstance(output, Ringing) and output.status in (180, 183) and not self.rang.done():
                report.rang += 1
                report.ring_ms.append((self._now() - self._started_s) * 1000)
                self.rang.set_result(True)
            elif isinstance(output, Accepted):
                self._answered(output.response)
            elif isinstance(output, Rejected):
                self.status = output.response.status
                self._over("refused")
            elif isinstance(output, Unanswered):
                self._over("given_up")
            elif isinstance(output, Ended):
                if output.by_peer:
                    report.hung_up_by_platform += 1
                self._over("given_up")

    def _answered(self, response: Response) -> None:
        self._fleet.report.answered += 1
        self.status = response.status
        if not self.outcome.done():
            self.outcome.set_result("answered")
        if not self.rang.done():
            self.rang.set_result(True)
        if self._hold_s:
            self._hang_up_at = self._now() + self._hold_s
        self._show(response.body)
        sdp = parse_sdp(response.body)
        if isinstance(sdp, BadSdp) or self._sound is None:
            return
        line = sdp.media[0]
        self.codec = line.formats[0]
        self._target = (line.connection or sdp.connection, line.port)
        self._sender = asyncio.create_task(self._send_tone())

    def _over(self, how: str) -> None:
        report = self._fleet.report
        if not self.outcome.done():
            self.outcome.set_result(how)
            if how == "refused":
                report.refused += 1
            else:
                report.given_up += 1
        if not self.rang.done():
            self.rang.set_result(False)
        self._stop_sound()
        self.digits += self.tones.digits
        self.tones.digits = ""
        if not self.ended.done():
            report.packets_heard += self.heard
            if self.digits:
                report.digits.append(self.digits)
            self.ended.set_result(True)

    # --- sound

    async def _send_tone(self) -> None:
        loop = asyncio.get_running_loop()
        due_s, count = loop.time(), 0
        while self._sound is not None and self._target is not None:
            start = count * FRAME_SAMPLES
            wave = (int(8000 * math.sin(2 * math.pi * TONE_HZ * (start + n) / RATE_HZ)) for n in range(FRAME_SAMPLES))
            packet = _header(0x80, 8, count & 0xFFFF, start & 0xFFFFFFFF, 0x5EED0000 + self.number & 0xFFFFFFFF)
            with contextlib.suppress(OSError):
                self._sound.sendto(packet + encode_a_law(array("h", wave).tobytes()), self._target)
            count += 1
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    def _hear(self) -> None:
        made = self._sound
        if made is None:
            return
        for _ in range(64):
            try:
                data = made.recv(2048)
            except OSError:
                return
            found = read_packet(data)
            if found is None:
                continue
            if found.payload_type == EVENT_TYPE:
                self.tones.take(found.payload, found.timestamp)
            else:
                self.heard += 1

    def _stop_sound(self) -> None:
        if self.video is not None:
            self._fleet.report.video_packets += self.video.sent
            self.video.stop()
            self.video = None
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        if self._sound is not None:
            asyncio.get_running_loop().remove_reader(self._sound.fileno())
            self._sound.close()
            self._sound = None
