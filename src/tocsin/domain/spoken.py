"""The words of the registry: what a device may be, how it speaks, and what each protocol needs to be entered.

A new protocol is one row of `SPOKEN`; registry, directory and supervision read what they must know from it
(docs/design/0024-reception.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

KINDS: Final = ("panel", "camera", "platform", "intercom", "terminal", "sensor", "receiver")


class AddressForm(StrEnum):
    """What a device is found by: an account as it stands on the wire, a 20-digit id, or the address we call."""

    ACCOUNT = "account"
    GB_ID = "gb_id"
    URL = "url"


class SecretForm(StrEnum):
    """What a device proves itself with: an AES key, a password or shared secret, or nothing."""

    KEY = "key"
    PASSWORD = "password"  # noqa: S105  a word, no password
    NONE = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One protocol. `schemes` are those of its address; `poll_interval_s` is how often it is heard unless entered.

    It may be silent for `misses` of its intervals and `spare_s`, or for what all devices may, whichever is longer.
    What is mobile goes out of reach and comes back: its silence is a state and a fault, but no alarm.
    """

    word: str
    address: AddressForm = AddressForm.ACCOUNT
    secret: SecretForm = SecretForm.NONE
    schemes: tuple[str, ...] = ()
    poll_interval_s: float = 0.0
    misses: float = 0.0
    spare_s: float = 0.0
    is_mobile: bool = False


_ROWS: Final = (
    Spoken("dc09", secret=SecretForm.KEY),
    Spoken("gb28181", AddressForm.GB_ID, SecretForm.PASSWORD),
    Spoken("onvif", AddressForm.URL, SecretForm.PASSWORD, ("http", "https")),
    Spoken("rtsp", AddressForm.URL, SecretForm.PASSWORD, ("rtsp", "rtsps")),
    # hardware receivers of telephone and radio, and the panels heard only through one
    Spoken("surgard", AddressForm.URL, schemes=("tcp",), poll_interval_s=30.0),
    Spoken("ademco685", AddressForm.URL, schemes=("tcp",), poll_interval_s=30.0),
    Spoken("radionics6500", AddressForm.URL, schemes=("tcp",), poll_interval_s=30.0),
    Spoken("dc07", AddressForm.URL, schemes=("tcp",), poll_interval_s=30.0),
    Spoken("relayed"),
    Spoken("jt808", poll_interval_s=60.0, misses=3.0, spare_s=30.0, is_mobile=True),
    Spoken("mqtt"),
    Spoken("webhook", secret=SecretForm.PASSWORD),
    Spoken("cap", AddressForm.URL, schemes=("http", "https")),
    # asked each minute; three questions unanswered and it counts as silent
    Spoken("sip", secret=SecretForm.PASSWORD, poll_interval_s=60.0, misses=3.0, spare_s=70.0),
)
SPOKEN: Final[Mapping[str, Spoken]] = {row.word: row for row in _ROWS}
"""Word of a protocol -> what it needs."""

RECEIVERS: Final = ("surgard", "ademco685", "radionics6500", "dc07")
IP_PROTOCOLS: Final = ("onvif", "rtsp")  # cameras that are called, and never call
VIDEO: Final = ("gb28181", *IP_PROTOCOLS)
