"""One picture a simulated device sends: invited, answered as its oddities have it, steered, ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from tocsin.protocols.gb28181.history_sdp import HistoryWish, read_history_offer
from tocsin.protocols.gb28181.stream_choice import ALL_LINES, SUB_NUMBER, asked_number, choice_lines
from tocsin.protocols.sip.dialog import Cancelled, Ended, InviteServer, ServerCallState
from tocsin.protocols.sip.message import (
    Request,
    Response,
)
from tocsin.protocols.sip.sdp import BadSdp, Sdp, make_answer, parse_sdp
from tocsin.protocols.sip.transaction import Send
from tocsin.sim.camera_plan import Quirk
from tocsin.sim.camera_quirks import dislike
from tocsin.sim.camera_voice import read_talk
from tocsin.sim.picture import PictureSender

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera


class SimCall:
    """One picture being sent."""

    def __init__(self, camera: SimCamera, invite: Request) -> None:
        self._camera = camera
        self._server = InviteServer(
            invite,
            tag=camera.new_word()[:8],
            contact=camera.contact,
            local=camera.local,
            source=camera.wire.server,
            tokens=camera.new_word,
            timers=camera.wire.timers,
        )
        self._tag = self._server.tag
        self._wish: HistoryWish | None = None
        self._sender: PictureSender | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Answer, then repeat what needs repeating until the call is over."""
        self._perform(self._server.progress(100))
        await self._answer()
        while (due := self._server.timer()) is not None or not self._is_over:
            self._changed.clear()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - self._camera.clock.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                self._perform(self._server.handle_timer(self._camera.clock.monotonic()))
            if self._is_over:
                break
        await self.stop()

    def receive(self, request: Request) -> None:
        """Take a request of this call."""
        if request.method == "BYE":
            self._camera.report.byes += 1
        if request.method == "CANCEL":
            self._camera.report.cancels += 1
        if request.method == "INFO":
            self._camera.recorder.steer(request, self._sender, self._tag)
            return
        self._perform(self._server.receive(request, self._camera.clock.monotonic()))

    def receive_response(self, response: Response) -> None:
        """Take the answer to our BYE."""
        self._perform(self._server.receive_response(response, self._camera.clock.monotonic()))

    def hang_up(self) -> None:
        """Say BYE."""
        self._perform(self._server.bye(self._camera.clock.monotonic()))

    async def stop_sending(self) -> None:
        """Stop the picture and forget the call without a word to the server."""
        self._perform([])
        self._server.state = ServerCallState.ENDED
        self._changed.set()
        await self.stop()

    async def stop(self) -> None:
        """Stop the picture and forget the call."""
        self._camera.forget(self._server.invite.call_id)
        sender, self._sender = self._sender, None
        if sender is not None and Quirk.KEEPS_SENDING in self._camera.plan.quirks:
            self._camera.leaked.append(sender)
        elif sender is not None:
            await sender.stop()

    @property
    def _is_over(self) -> bool:
        return self._server.state == "ended"

    async def _answer(self) -> None:
        quirks, now = self._camera.plan.quirks, self._camera.clock.monotonic()
        talk = read_talk(self._server.invite)
        if talk is not None:
            answer = await self._camera.voice.answer_talk(talk, self._camera.plan.gb_id)
            if isinstance(answer, int):
                self._perform(self._server.refuse(answer, now))
            else:
                self._perform(self._server.accept(answer, now))
            return
        offer = parse_sdp(self._server.invite.body)
        if isinstance(offer, BadSdp) or offer.video is None:
            self._perform(self._server.refuse(488, now))
            return
        try:
            self._wish = read_history_offer(offer)
        except ValueError:
            self._perform(self._server.refuse(488, now))
            return
        status = dislike(self._camera.plan, self._server.invite.uri_user, offer)
        if Quirk.BUSY in quirks or self._camera.has_old_streams:
            status = 486
        if status:
            self._perform(self._server.refuse(status, now))
            return
        number = asked_number(offer)
        has_vendor_lines = bool(set(choice_lines(ALL_LINES[1:], SUB_NUMBER)) & set(offer.video.attributes))
        if (Quirk.REFUSES_SUB_STREAM in quirks and number == SUB_NUMBER) or (
            Quirk.REFUSES_VENDOR_LINES in quirks and has_vendor_lines
        ):
            self._perform(self._server.refuse(488, now))
            return
        if Quirk.REFUSES_TCP_MEDIA in quirks and offer.video.is_tcp:
            self._perform(self._server.refuse(488, now))
            return
        try:
            body = await self._open_picture(offer)
        except OSError:
            self._perform(self._server.refuse(500, now))
            return
        outputs = self._server.accept(body, self._camera.clock.monotonic())
        self._perform(outputs)
        if Quirk.REPEATED_OK in quirks:
            self._perform(outputs)

    def _new_sender(self, stream: str) -> PictureSender | None:
        invite = self._server.invite
        if self._wish is None:
            return self._camera.sender_for(invite.uri_user, stream)
        made = self._camera.recorder.sender_for(invite.uri_user, self._wish, invite, self._tag)
        return cast("PictureSender | None", made)

    async def _open_picture(self, offer: Sdp) -> bytes:
        """Start sending as the offer asks and return the answer."""
        camera, quirks, line = self._camera, self._camera.plan.quirks, offer.video
        assert line is not None
        ip = line.connection or offer.connection or offer.origin_ip
        ssrc = offer.ssrc or 1
        if Quirk.OTHER_SSRC in quirks:
            ssrc = (ssrc + 7) & 0xFFFFFFFF
        number = asked_number(offer, camera.plan.stream_lines)
        stream = "sub" if number == SUB_NUMBER and Quirk.IGNORES_STREAM_CHOICE not in quirks else "main"
        camera.report.streams.append(stream)
        sender = self._sender = self._new_sender(stream)
        is_tcp = line.is_tcp and Quirk.IGNORES_TCP_MEDIA not in quirks
        port = 15_060
        camera.report.targets.append((line.port, ssrc))
        if not is_tcp and camera.leaked and (second := self._new_sender(stream)) is not None:
            camera.leaked.append(second)  # the encoder that was never stopped is sent along to the new address
            await second.start_udp(ip, line.port, camera.report.targets[0][1])
        if not is_tcp:
            camera.report.modes.append("udp")
            port = await sender.start_udp(ip, line.port, ssrc) if sender else port
        elif line.attribute("setup") == "active":
            camera.report.modes.append("tcp_active")
            port = await sender.start_tcp_passive(ssrc) if sender else port
        else:
            camera.report.modes.append("tcp_passive")
            port = await sender.start_tcp_active(ip, line.port, ssrc) if sender else port
        if Quirk.NO_SDP in quirks:
            return b""
        said = None if Quirk.NO_SSRC in quirks else ssrc
        media_ip = camera.plan.media_ip or camera.wire.host
        made = make_answer(offer, own_id=camera.plan.gb_id, ip=media_ip, port=port or 9, ssrc=said).encode()
        if self._wish is not None:
            made = camera.recorder.answer(offer, self._wish, ip=media_ip, port=port or 9, ssrc=said)
        if Quirk.IGNORES_TCP_MEDIA in quirks:
            made = made.replace(b"TCP/RTP/AVP", b"RTP/AVP")
        if Quirk.PRIVATE_STREAM in quirks:
            made = made.replace(b"96 PS/90000", b"96 HIKVISION/90000")
        if Quirk.NO_SETUP in quirks:
            made = re.sub(rb"a=setup:\w+\r\n", b"", made)
        return made

    def _perform(self, outputs: Sequence[object]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self._camera.wire.send(output.data)
            elif isinstance(output, Ended | Cancelled):
                self._changed.set()
        self._changed.set()
