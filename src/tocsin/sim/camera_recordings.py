"""What a simulated device has recorded: it lists it, sends it, obeys steering, and tells the end of files.

The oddities of the field are switches of its plan: totals that lie, capped lists, lost pages, ends told for each file,
never, or under another name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tocsin.protocols.gb28181.history_sdp import HistoryWish, history_answer
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.mansrtsp import (
    CONTENT_TYPE,
    BadSteering,
    Play,
    Steered,
    Steering,
    media_status,
    read_steering,
    steered_body,
)
from tocsin.protocols.gb28181.recordings import (
    BEIJING,
    RECORD_INFO,
    Recording,
    read_record_query,
    record_response,
)
from tocsin.protocols.sip.message import Request, response_to
from tocsin.protocols.sip.sdp import Sdp
from tocsin.sim.camera_plan import Quirk

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera

CAP: Final = 10
OTHER_SENDER: Final = "34020000009990000009"
FILE_BYTES_A_SECOND: Final = 64_000


@runtime_checkable
class Steerable(Protocol):
    """A sender of a recording: it can be told to stand, go on, go elsewhere, go faster."""

    def steer(self, steering: Steering) -> Steered:
        """Obey, and say what was done."""


RecordingSenders = Callable[[str, HistoryWish, Sequence[Recording], Callable[[bool], None]], object]
"""Makes the sender of a recording: channel, wish, its files, and whom to tell of the end of each (True: the last)."""


class SimRecorder:
    """The recordings of one simulated device."""

    def __init__(self, camera: SimCamera, senders: RecordingSenders | None = None) -> None:
        self._camera = camera
        self._senders = senders
        self._pages_lost = 0

    def files_of(self, channel_id: str, starts: datetime, ends: datetime) -> list[Recording]:
        """Return the files of a channel that touch a period, oldest first."""
        found = self._grown([file for file in self._camera.plan.recordings if file.gb_id == channel_id])
        return sorted((file for file in found if file.ends > starts and file.starts < ends), key=lambda one: one.key)

    def _grown(self, files: list[Recording]) -> list[Recording]:
        """Let the file that is being written reach as far as it is written by now."""
        after_s = self._camera.plan.written_after_s
        if after_s is None or not files:
            return files
        last = max(files, key=lambda one: one.ends)
        written = (self._camera.clock.now() - timedelta(seconds=after_s)).replace(microsecond=0)
        return [replace(one, ends=max(one.ends, written)) if one is last else one for one in files]

    def take(self, document: Document) -> bool:
        """Answer a question about recordings; False for any other document."""
        if document.kind != "query" or document.cmd_type.lower() != RECORD_INFO.lower():
            return False
        self._camera.report.record_queries += 1
        if Quirk.NO_RECORD_LIST not in self._camera.plan.quirks:
            self._camera.start(self._list(document))
        return True

    async def _list(self, document: Document) -> None:
        camera, quirks = self._camera, self._camera.plan.quirks
        query = read_record_query(document)
        files = self.files_of(query.gb_id, query.starts, query.ends) if query is not None else []
        if query is not None and query.kind != "all":
            files = [file for file in files if file.kind == query.kind]
        if Quirk.CAPPED_RECORD_LIST in quirks:
            files = files[:CAP]
        total: int | None = len(files)
        if Quirk.RECORD_TOTAL_ABSENT in quirks:
            total = None
        elif Quirk.RECORD_TOTAL_ZERO in quirks:
            total = 0
        sn = None if Quirk.MISSING_SN in quirks else document.sn
        size = max(1, camera.plan.page_items)
        pages: list[Sequence[Recording]] = [files[at : at + size] for at in range(0, len(files), size)] or [()]
        loses = Quirk.LOST_PAGE in quirks or (Quirk.LOST_PAGE_ONCE in quirks and not self._pages_lost)
        for number, page in enumerate(pages):
            if loses and number == len(pages) - 1:
                self._pages_lost += 1
                continue
            body = record_response(sn, document.device_id, camera.plan.gb_id, total, page, camera.label)
            for _ in range(2 if Quirk.DUPLICATE_PAGE in quirks and number == 0 else 1):
                if await camera.wire.transact(camera.outgoing("MESSAGE", body)) is None:
                    return

    def sender_for(self, channel_id: str, wish: HistoryWish, invite: Request, tag: str) -> object:
        """Return the sender of a recording; None when nothing is recorded then or nothing can be sent."""
        files = self.files_of(channel_id, wish.starts, wish.ends)
        self._camera.report.recordings_sent += 1
        if not files or self._senders is None or Quirk.NO_MEDIA in self._camera.plan.quirks:
            return None
        return self._senders(channel_id, wish, files, lambda is_last: self.tell_end(invite, tag, channel_id, is_last))

    def answer(self, offer: Sdp, wish: HistoryWish, *, ip: str, port: int, ssrc: int | None) -> bytes:
        """Return the SDP of the answer; a download tells its size unless the device keeps it to itself."""
        files = self.files_of(wish.channel_id, wish.starts, wish.ends)
        seconds = sum((min(one.ends, wish.ends) - max(one.starts, wish.starts)).total_seconds() for one in files)
        tells = wish.is_download and Quirk.NO_FILE_SIZE not in self._camera.plan.quirks
        size = int(seconds * FILE_BYTES_A_SECOND) or None
        own_id = self._camera.plan.gb_id
        made = history_answer(offer, own_id=own_id, ip=ip, port=port, ssrc=ssrc, file_bytes=size if tells else None)
        return made.encode()

    def steer(self, request: Request, sender: object, tag: str) -> None:
        """Obey an INFO and answer it."""
        camera, quirks = self._camera, self._camera.plan.quirks
        if Quirk.SILENT_TO_STEERING in quirks:
            return
        found = read_steering(request.body)
        status = 400 if isinstance(found, BadSteering) else 200
        if Quirk.REFUSES_STEERING in quirks:
            status = 488
        answer = Steered(status)
        if not isinstance(found, BadSteering) and status == 200:
            steering, cseq = found
            camera.report.steerings.append(_word(steering))
            if isinstance(sender, Steerable):
                answer = replace(sender.steer(steering), cseq=cseq)
        body, headers = b"", []
        if status == 200 and Quirk.EMPTY_STEERING_ANSWER not in quirks:
            body, headers = steered_body(answer), [("Content-Type", CONTENT_TYPE)]
        camera.wire.send(response_to(request, status, to_tag=tag, headers=headers, body=body).encode())

    def tell_end(self, invite: Request, tag: str, channel_id: str, is_last: bool) -> None:
        """Say that a file has been sent, as this device does it."""
        camera, quirks = self._camera, self._camera.plan.quirks
        if Quirk.NEVER_TELLS_END in quirks or (not is_last and Quirk.TELLS_END_OF_EACH_FILE not in quirks):
            return
        body = media_status(camera.next_sn(), channel_id, label=camera.label)
        if Quirk.TELLS_END_UNDER_OTHER_NAME in quirks:
            made = camera.outgoing("MESSAGE", body, call_id=invite.call_id, sender=OTHER_SENDER)
        elif Quirk.TELLS_END_OUTSIDE_CALL in quirks:
            made = camera.outgoing("MESSAGE", body)
        else:
            made = camera.outgoing("MESSAGE", body, call_id=invite.call_id, own_tag=tag, server_tag=invite.from_tag)
        camera.report.ends_told += 1
        camera.start(camera.wire.transact(made))


def make_recordings(
    channel_ids: Sequence[str], until: datetime, *, days: int = 3, seed: int = 1, file_minutes: int = 30
) -> tuple[Recording, ...]:
    """Return what a device with a plan of its own has recorded: files of half an hour, a gap each night, alarms.

    Seeded: the same device has the same alarms. Gaps and days are those of Beijing.
    """
    found: list[Recording] = []
    today = until.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, gb_id in enumerate(channel_ids):
        dice = random.Random(seed * 1000 + number)
        for back in range(days - 1, -1, -1):
            day = today - timedelta(days=back)
            gap_starts = day + timedelta(hours=2, minutes=dice.randrange(10, 50))
            gap_ends = gap_starts + timedelta(minutes=dice.randrange(20, 70))
            at = day
            while at < day + timedelta(days=1) and at < until:
                ends = min(at + timedelta(minutes=file_minutes), until.astimezone(BEIJING))
                for starts, stops in _without(at, ends, gap_starts, gap_ends):
                    found.append(_file(gb_id, starts, stops, "time"))
                at = at + timedelta(minutes=file_minutes)
            for _ in range(dice.randrange(2, 5)):
                alarm = day + timedelta(seconds=dice.randrange(4 * 3600, 23 * 3600))
                if alarm + timedelta(seconds=60) < until:
                    found.append(_file(gb_id, alarm, alarm + timedelta(seconds=60), "alarm"))
    return tuple(found)


def _without(
    starts: datetime, ends: datetime, gap_starts: datetime, gap_ends: datetime
) -> list[tuple[datetime, datetime]]:
    pieces = [(starts, min(ends, gap_starts)), (max(starts, gap_ends), ends)]
    return [(begin, end) for begin, end in pieces if end - begin > timedelta(seconds=1)]


def _file(gb_id: str, starts: datetime, ends: datetime, kind: str) -> Recording:
    starts, ends = starts.astimezone(UTC).replace(microsecond=0), ends.astimezone(UTC).replace(microsecond=0)
    return Recording(
        gb_id,
        starts,
        ends,
        name=gb_id,
        file_path=f"/record/{kind}/{starts:%Y%m%dT%H%M%S}.ps",
        kind=kind,
        size_bytes=int((ends - starts).total_seconds() * FILE_BYTES_A_SECOND),
    )


def _word(steering: Steering) -> str:
    if isinstance(steering, Play):
        if steering.npt_s is not None:
            return f"seek {steering.npt_s:g}"
        return "resume" if steering.scale is None else f"speed {steering.scale:g}"
    return type(steering).__name__.lower()
