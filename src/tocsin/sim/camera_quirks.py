"""Oddities of the field that need no state: what a simulated device dislikes and how it spoils its documents. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.sip.message import Request
from tocsin.protocols.sip.sdp import Sdp
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.picture import PictureQuirks

STRANGE_HEADERS: Final = (
    ("Route", "<sip:10.0.0.1;lr>"),
    ("X-Vendor", "é;=\t,<>"),
    ("Supported", ""),
    ("P-Charging-Vector", 'icid-value="1;2"'),
)


def branch_of(request: Request) -> str:
    """Return what all copies of one request share."""
    return request.via.branch if request.via else ""


def drops_date(quirks: Collection[Quirk], date: str) -> bool:
    """True when a SIP stack like this one throws a response away because of its Date."""
    return bool(date) and (Quirk.DROPS_DATE in quirks or (Quirk.DROPS_MILLISECONDS in quirks and "." in date))


def dislike(plan: CameraPlan, called: str, offer: Sdp) -> int:
    """Return the status a device with needs of its own refuses this offer with; 0 when it likes it."""
    quirks, line = plan.quirks, offer.video
    if Quirk.NEEDS_DEVICE_TARGET in quirks and called != plan.gb_id:
        return 404
    if Quirk.NEEDS_WIDE_OFFER in quirks and line is not None and "126" not in line.formats:
        return 488
    if Quirk.NEEDS_CHANNEL_ORIGIN in quirks and offer.origin_user not in {one.gb_id for one in plan.channels}:
        return 400
    if Quirk.NEEDS_KIND_3 in quirks and offer.uri and not offer.uri.endswith(":3"):
        return 488
    if Quirk.NEEDS_BARE_OFFER in quirks and (offer.ssrc is not None or offer.format):
        return 400
    return 0


def picture_quirks(quirks: Collection[Quirk]) -> PictureQuirks:
    """Return what is wrong with the pictures of a device like this."""
    found = PictureQuirks()
    for quirk, fault in _OF_PICTURES.items():
        if quirk in quirks:
            found = replace(found, **fault)
    return found


_OF_PICTURES: Final[Mapping[Quirk, Mapping[str, Any]]] = {
    Quirk.LOSES_PACKETS: {"loss_share": 0.01, "swap_share": 0.02},
    Quirk.TORN_TCP_FRAMES: {"tears_every": 60},
    Quirk.JUMPING_TIMES: {"times": "jump"},
    Quirk.STANDING_TIMES: {"times": "stand"},
    Quirk.TIMES_IN_8_KHZ: {"times": "khz8"},
    Quirk.ROTATING_SSRC: {"ssrc_every": 50},
    Quirk.ENCRYPTED_STREAM: {"encrypted": True},
}


def listed(plan: CameraPlan) -> Sequence[CatalogItem]:
    """Return the channels as the catalogue of this device has them."""
    if Quirk.CHANNELS_STAY_ON not in plan.quirks:
        return plan.channels
    return [replace(item, is_online=True) for item in plan.channels]


def damage_numbers(body: bytes, quirks: Collection[Quirk], server_id: str) -> bytes:
    """Return a catalogue page whose numbers and parents are not what they should be."""
    if Quirk.SN_ZERO in quirks or Quirk.SN_NULL in quirks:
        word = b"0" if Quirk.SN_ZERO in quirks else b"null"
        body = re.sub(rb"<SN>\d+</SN>", b"<SN>" + word + b"</SN>", body)
    if Quirk.WRONG_TOTAL in quirks:
        body = re.sub(rb"<SumNum>\d+</SumNum>", b"<SumNum>1</SumNum>", body)
    if Quirk.PARENT_IS_SERVER in quirks:
        parent = b"<ParentID>" + server_id.encode() + b"</ParentID>"
        body = re.sub(rb"<ParentID>[^<]*</ParentID>", b"", body).replace(b"<Parental>", parent + b"<Parental>")
    return body
