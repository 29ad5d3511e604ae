"""Alarm documents of GB/T 28181 devices: their meaning is not read yet, so they are kept raw, put aside and shown.

The answer leaves after the commit, like any acknowledgement: what looks accepted is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import structlog

from tocsin.base.errors import TocsinError
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.domain.signals import Receipt, Signal
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.sip.message import readable

log = structlog.get_logger(__name__)

MAX_ALARM_BYTES: Final = 64 * 1024
MAX_WAITING: Final = 1024
COMMAND: Final = "Alarm"


class Intake(Protocol):
    """Where signals go."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit and raises when nothing was committed."""


class AlarmKeeper:
    """Hands alarm documents to intake and says how to answer once it is known."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting = 0

    def keep(
        self,
        device: RegisteredDevice,
        document: Document,
        body: bytes,
        peer: Peer,
        now: datetime,
        answer: Callable[[int | None], None],
    ) -> None:
        """Commit one document, then call `answer` with the status, or with None: stay silent, it will be sent again."""
        if len(body) > MAX_ALARM_BYTES:
            log.warning("alarm document refused", device_id=device.device_id, size=len(body))
            answer(413)
            return
        if self._waiting >= MAX_WAITING:
            answer(None)
            return
        try:
            future = self._intake.accept(_signal(device, document, body, peer, now))
        except TocsinError:
            answer(None)
            return
        self._waiting += 1
        future.add_done_callback(lambda done: self._committed(done, answer))

    def _committed(self, future: asyncio.Future[Receipt], answer: Callable[[int | None], None]) -> None:
        self._waiting -= 1
        is_kept = not future.cancelled() and future.exception() is None
        answer(200 if is_kept else None)


def _signal(device: RegisteredDevice, document: Document, body: bytes, peer: Peer, now: datetime) -> Signal:
    root = document.root
    info = root.child("Info")
    method, at = readable(root.get("AlarmMethod"))[:8], readable(root.get("AlarmTime"))[:32]
    kind = readable(info.get("AlarmType"))[:8] if info is not None else ""
    source = readable(document.device_id)[:64]
    code = f"{method or '?'}/{kind}" if kind else method or "?"
    event = NormalEvent(
        "gb28181",
        code,
        EventKind.STATUS,
        Category.UNKNOWN,
        5,
        f"Alarm message of a device, not decoded (method {code})",
        f"设备报警消息，未解析（报警方式 {code}）",
        text=readable(root.get("AlarmDescription"))[:200],
        is_known=False,
    )
    return Signal(
        protocol="gb28181",
        transport=peer.transport.value,
        peer=peer.address,
        account=device.gb_id,
        raw=body,
        received_at=now,
        device_id=device.device_id,
        token=COMMAND,
        dedup_key=f"alarm|{source}|{code}|{at}" if at else "",
        events=(event,),
        quarantine="undecoded",
    )
