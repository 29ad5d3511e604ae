"""Snapshots a 2022 device takes and uploads: the order, the notification, and the picture inside an upload.

Source: GB/T 28181-2022, "Snapshot configuration", "Snapshot transfer finished"; RFC 2046, 5.1 (multipart).
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import Document, Pair, build_document

FINISHED: Final = "uploadsnapshotfinished"
MAX_COUNT: Final = 10
JPEG_START: Final = b"\xff\xd8\xff"
JPEG_END: Final = b"\xff\xd9"
_SESSION: Final = re.compile(r"[A-Za-z0-9-]{32,128}")
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)


def snapshot_config(
    sn: int, channel_id: str, session: str, count: int, interval_s: int, url: str, label: Label = Label.GB18030
) -> bytes:
    """Return the order to take `count` pictures, `interval_s` apart, and to upload them to `url`."""
    if not _SESSION.fullmatch(session) or not 1 <= count <= MAX_COUNT or interval_s < 1:
        raise ValueError("a session of 32 to 128 letters, 1 to 10 pictures, at least a second apart")
    wanted: list[Pair] = [("SnapNum", count), ("Interval", interval_s), ("UploadURL", url), ("SessionID", session)]
    return build_document("Control", "DeviceConfig", sn, channel_id, [("SnapShotConfig", wanted)], label=label)


def read_finished(document: Document) -> tuple[str, int] | None:
    """Return the session and how many files the device says it uploaded; None when it names no session.

    The names of the files are counted and not kept.
    """
    session = document.root.get("SessionID").strip()
    if not _SESSION.fullmatch(session):
        return None
    listed = document.root.child("SnapShotList")
    return session, len(list(islice(listed.all("SnapShotFileID"), MAX_COUNT))) if listed is not None else 0


def picture_in(body: bytes, content_type: str) -> bytes | None:
    """Return the JPEG an upload holds, raw or as the first picture of a multipart body; None when it holds none.

    Whatever name the device gives the file is passed over.
    """
    if not content_type.lower().startswith("multipart/"):
        return body if _is_jpeg(body) else None
    found = _BOUNDARY.search(content_type)
    if found is None:
        return None
    mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    start = body.find(mark)
    while start >= 0:
        head_end = body.find(b"\r\n\r\n", start)
        if head_end < 0:
            return None
        end = body.find(b"\r\n" + mark, head_end + 2)
        if end < 0:
            return None  # cut off
        part = body[head_end + 4 : end]
        if _is_jpeg(part):
            return part
        start = end + 2
    return None


def _is_jpeg(data: bytes) -> bool:
    return data.startswith(JPEG_START) and JPEG_END in data[-64:]
