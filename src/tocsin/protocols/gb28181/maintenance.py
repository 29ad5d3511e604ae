"""Acts that maintain a 2022 device: formatting a card, upgrading its firmware; both sides of the wire.

Source: GB/T 28181-2022, "Device control" (FormatSDCard, DeviceUpgrade) and "Device upgrade result notification".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.control import DEVICE_CONTROL
from tocsin.protocols.gb28181.manscdp import Document, Pair, build_document

UPGRADE_RESULT: Final = "DeviceUpgradeResult"
MAX_CARD: Final = 10_000
MAX_TEXT_CHARS: Final = 128
SESSION: Final = re.compile(r"[A-Za-z0-9-]{32,128}")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What firmware to fetch: its version, where from, whose, and the session its result will name."""

    firmware: str
    url: str
    manufacturer: str
    session: str


@dataclass(frozen=True, slots=True)
class UpgradeResult:
    """How an upgrade ended."""

    session: str
    is_ok: bool
    firmware: str = ""
    reason: str = ""


def format_command(sn: int, channel_id: str, card: int, label: Label = Label.GB18030) -> bytes:
    """Return the command that erases a card, 0 for all of them."""
    if not 0 <= card <= MAX_CARD:
        raise ValueError(f"card: 0 to {MAX_CARD}")
    return build_document("Control", DEVICE_CONTROL, sn, channel_id, [("FormatSDCard", card)], label=label)


def read_format(document: Document) -> int | None:
    """Return the card a command erases; None when it is another command or names none."""
    found = document.root.integer("FormatSDCard")
    return found if found is not None and 0 <= found <= MAX_CARD else None


def upgrade_command(sn: int, device_id: str, upgrade: Upgrade, label: Label = Label.GB18030) -> bytes:
    """Return the command that makes a device fetch and install firmware."""
    if not SESSION.fullmatch(upgrade.session):
        raise ValueError("session: 32 to 128 of A-Z a-z 0-9 -")
    inner: list[Pair] = [
        ("Firmware", upgrade.firmware),
        ("FileURL", upgrade.url),
        ("Manufacturer", upgrade.manufacturer),
        ("SessionID", upgrade.session),
    ]
    return build_document("Control", DEVICE_CONTROL, sn, device_id, [("DeviceUpgrade", inner)], label=label)


def read_upgrade(document: Document) -> Upgrade | None:
    """Return what a command asks to install; None when it is another command or its session is none."""
    inner = document.root.child("DeviceUpgrade")
    if inner is None or not SESSION.fullmatch(inner.get("SessionID")):
        return None
    return Upgrade(
        inner.get("Firmware")[:MAX_TEXT_CHARS],
        inner.get("FileURL")[:2048],
        inner.get("Manufacturer")[:MAX_TEXT_CHARS],
        inner.get("SessionID"),
    )


def upgrade_result(sn: int, device_id: str, result: UpgradeResult, label: Label = Label.GB18030) -> bytes:
    """Return the notification of how an upgrade ended."""
    fields: list[Pair] = [
        ("SessionID", result.session),
        ("UpgradeResult", "OK" if result.is_ok else "ERROR"),
        ("Firmware", result.firmware),
        ("UpgradeFailedReason", result.reason or None),
    ]
    return build_document("Notify", UPGRADE_RESULT, sn, device_id, fields, label=label)


def read_upgrade_result(document: Document) -> UpgradeResult | None:
    """Return how an upgrade ended; None when it names no session or no result."""
    root = document.root
    session, result = root.get("SessionID").strip(), (root.get("UpgradeResult") or root.get("Result")).strip().upper()
    if not SESSION.fullmatch(session) or result not in ("OK", "ERROR"):
        return None
    return UpgradeResult(
        session, result == "OK", root.get("Firmware")[:MAX_TEXT_CHARS], root.get("UpgradeFailedReason")[:MAX_TEXT_CHARS]
    )
