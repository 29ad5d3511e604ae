"""How different makes of panels write the same event: the oddities a receiver meets, as data.

Source: alarm protocol reference, worked frames (frames of real devices and of independent software).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tocsin.protocols.contact_id.payload import CidReport, encode_adm_cid
from tocsin.protocols.dc09 import messages
from tocsin.protocols.dc09.frame import CrcForm, encode_frame
from tocsin.protocols.dc09.xdata import Letter, Xdata
from tocsin.protocols.sia_codes.blocks import SiaEvent, encode_sia


class CodeForm(StrEnum):
    """Which code system a panel reports in."""

    SIA = "sia"
    CID = "cid"


class BlockStyle(StrEnum):
    """How a panel writes a SIA event block."""

    STANDARD = "standard"
    NO_SLASH = "no_slash"
    TEXT_BLOCK = "text_block"
    QUOTED = "quoted"


@dataclass(frozen=True, slots=True)
class Profile:
    """The habits of one make. None means that the field is left out of the header."""

    name: str
    form: CodeForm | None = None
    style: BlockStyle = BlockStyle.STANDARD
    receiver: str | None = None
    prefix: str | None = "0"
    has_account: bool = True
    sends_timestamp: bool = True
    keeps_first_timestamp: bool = False
    clock_offset_s: float = 0.0
    crc_form: CrcForm = CrcForm.ASCII
    has_decimal_length: bool = False
    has_lower_case_hex: bool = False
    pads_as_before_2026: bool = False
    tail: bytes = b""
    xdata: tuple[Xdata, ...] = ()
    is_dribbling: bool = False


_TWELVE_YEARS_S = 12 * 365 * 86400.0

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("standard"),
        Profile("old_pad", pads_as_before_2026=True),
        Profile("lower_case", has_lower_case_hex=True),
        Profile("dribbling", is_dribbling=True),
        Profile("g90b", prefix="", tail=b"\0"),
        Profile("trikdis", receiver="1", prefix="1", clock_offset_s=3600.0),
        Profile(
            "dahua",
            form=CodeForm.CID,
            receiver="01",
            prefix="01",
            crc_form=CrcForm.BINARY,
            clock_offset_s=-_TWELVE_YEARS_S,
            xdata=(Xdata(Letter.SITE, b"13"),),
        ),
        Profile("text_block", style=BlockStyle.TEXT_BLOCK, receiver="F3", prefix="77", sends_timestamp=False),
        Profile("no_prefix", style=BlockStyle.NO_SLASH, prefix=None, sends_timestamp=False),
        Profile(
            "eldes",
            form=CodeForm.CID,
            receiver="4F39",
            prefix="4F39",
            sends_timestamp=False,
            has_decimal_length=True,
        ),
        Profile("focus", form=CodeForm.CID, receiver="0", sends_timestamp=False),
        Profile("pyronix", sends_timestamp=False),
        Profile("event_time", style=BlockStyle.NO_SLASH, keeps_first_timestamp=True, clock_offset_s=-1800.0),
        Profile("xsia", style=BlockStyle.QUOTED, receiver="0002", prefix="0001", has_account=False),
    )
}
"""Every make by its name; `standard` writes as the standard says."""

CID_OF_SIA: Mapping[str, str] = {
    "AR": "3301",
    "AT": "1301",
    "BA": "1130",
    "BB": "1573",
    "BC": "1406",
    "BR": "3130",
    "BT": "1380",
    "BU": "3573",
    "BV": "1139",
    "CL": "3401",
    "FA": "1110",
    "FR": "3110",
    "GA": "1151",
    "HA": "1122",
    "MA": "1100",
    "OP": "1401",
    "PA": "1120",
    "RP": "1602",
    "RX": "1601",
    "TA": "1137",
    "TR": "3137",
    "WA": "1154",
    "XT": "1384",
    "YC": "1354",
    "YR": "3302",
    "YT": "1302",
}
"""SIA code -> qualifier and event of Contact ID, for panels that report in the latter."""

_USERS = frozenset({"BC", "CL", "OP"})


@dataclass(frozen=True, slots=True)
class SimEvent:
    """What happens at a simulated panel: a two-letter SIA code with where, who and a text."""

    code: str
    area: str = "1"
    zone: str = ""
    user: str = ""
    text: str = ""


def write_event(event: SimEvent, account: str, profile: Profile, form: CodeForm) -> tuple[str, bytes]:
    """Return token and data block as a panel of that make writes them.

    Errors: ValueError when a Contact ID panel has no word for the code.
    """
    if (profile.form or form) is CodeForm.CID:
        full = CID_OF_SIA.get(event.code)
        if full is None:
            raise ValueError(f"no Contact ID event for SIA code {event.code}")
        point = event.user if event.code in _USERS else event.zone
        report = CidReport(account, full[0], full[1:], event.area.rjust(2, "0"), point.rjust(3, "0"))
        return messages.ADM_CID, encode_adm_cid(report)
    address = event.user if event.code in _USERS else event.zone
    if profile.style is BlockStyle.STANDARD:
        return messages.SIA_DCS, encode_sia(account, SiaEvent(event.code, address, event.text, event.area))
    head, code = f"#{account}|N", event.code + address
    if profile.style is BlockStyle.NO_SLASH:
        text = f"^{event.text}^" if event.text else ""
        block = f"{head}ri{event.area or '0'}{code}{text}"
    elif profile.style is BlockStyle.TEXT_BLOCK:
        block = f"{head}{code}" + (f"|A{event.text}" if event.text else "")
    else:
        block = f"{head}ri{event.area or '0'}/{code}" + (f"*'{event.text}'NM" if event.text else "")
    return messages.SIA_DCS, block.encode("utf-8")


def dress_frame(frame: bytes, profile: Profile) -> bytes:
    """Return a well-formed frame as a panel of that make would send it."""
    body = frame[9:-1]
    if profile.has_lower_case_hex:
        head, bracket, rest = body.partition(b"[")
        if body.startswith(b'"*'):
            body = head + bracket + rest.lower()
        frame = encode_frame(body)
        frame = frame[:9].lower() + frame[9:]
    elif profile.crc_form is CrcForm.BINARY:
        frame = encode_frame(body, CrcForm.BINARY)
    elif profile.has_decimal_length:
        frame = frame[:5] + b"%04d" % len(body) + frame[9:]
    return frame + profile.tail if profile.tail else frame
