"""The 20-digit identifiers of GB/T 28181: parts, types, roles and domains.

Input is accepted far beyond the standard, because deployments hold shorter and alphanumeric ids; output is standard.

Source: GB/T 28181-2022, annex on the unified coding rule and annex on the catalogue tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_ACCEPTED: Final = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_STANDARD: Final = re.compile(r"\d{20}\Z", re.ASCII)
_DIVISION: Final = re.compile(r"\d{2}(?:\d{2}){0,3}\Z", re.ASCII)

TYPE_NAMES: Final[dict[int, tuple[str, str]]] = {
    111: ("DVR", "硬盘录像机"),
    112: ("video server", "视频服务器"),
    113: ("encoder", "编码器"),
    114: ("decoder", "解码器"),
    115: ("video matrix", "视频切换矩阵"),
    116: ("audio matrix", "音频切换矩阵"),
    117: ("alarm controller", "报警控制器"),
    118: ("NVR", "网络视频录像机"),
    130: ("HVR", "混合硬盘录像机"),
    131: ("camera", "摄像机"),
    132: ("network camera", "网络摄像机"),
    133: ("display", "显示器"),
    134: ("alarm input", "报警输入设备"),
    135: ("alarm output", "报警输出设备"),
    136: ("voice input", "语音输入设备"),
    137: ("voice output", "语音输出设备"),
    138: ("mobile transmission device", "移动传输设备"),
    139: ("other peripheral", "其他外围设备"),
    140: ("alarm output relay", "报警输出继电器"),
    200: ("signalling server", "中心信令控制服务器"),
    215: ("business group", "业务分组"),
    216: ("virtual organisation", "虚拟组织"),
}


class Role(StrEnum):
    """What a platform does with an id of this type. A hint, never proof that a channel can be played."""

    PLATFORM = "platform"
    DEVICE = "device"
    VIDEO = "video"
    ALARM_INPUT = "alarm_input"
    ALARM_OUTPUT = "alarm_output"
    VOICE = "voice"
    GROUP = "group"
    ORGANISATION = "organisation"
    DIVISION = "division"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GbId:
    """The parts of a standard id."""

    division: str
    unit: str
    sector: int
    type: int
    network: int
    serial: int

    def __str__(self) -> str:
        return f"{self.division}{self.unit}{self.sector:02d}{self.type:03d}{self.network}{self.serial:06d}"


def is_acceptable(text: str) -> bool:
    """True for anything a peer may call itself."""
    return bool(_ACCEPTED.match(text)) and text.isascii()


def is_standard(text: str) -> bool:
    """True for 20 decimal digits."""
    return bool(_STANDARD.match(text))


def parse_id(text: str) -> GbId | None:
    """Return the parts of a 20-digit id, or None."""
    if not is_standard(text):
        return None
    return GbId(text[:6], text[6:8], int(text[8:10]), int(text[10:13]), int(text[13]), int(text[14:]))


def make_id(domain: str, type_code: int, serial: int, network: int = 0) -> str:
    """Return a 20-digit id in a 10-digit domain. Raises ValueError when a part does not fit."""
    if not re.fullmatch(r"\d{10}", domain, re.ASCII):
        raise ValueError("a domain is 10 digits")
    if not (100 <= type_code <= 999 and 0 <= network <= 9 and 0 <= serial <= 999_999):
        raise ValueError("type, network or serial out of range")
    return f"{domain}{type_code}{network}{serial:06d}"


def domain_of(text: str) -> str:
    """Return the SIP domain (realm) an id belongs to: its first 10 digits."""
    return text[:10]


def type_of(text: str) -> int | None:
    """Return the type code of a 20-digit id, or None."""
    return int(text[10:13]) if is_standard(text) else None


def role_of(text: str) -> Role:
    """Return the role an id suggests by its type."""
    if _DIVISION.match(text):
        return Role.DIVISION
    code = type_of(text)
    if code is None:
        return Role.OTHER
    if code == 200:
        return Role.PLATFORM
    if code == 215:
        return Role.GROUP
    if code == 216:
        return Role.ORGANISATION
    if code in (121, 131, 132):
        return Role.VIDEO
    if 111 <= code <= 130:
        return Role.DEVICE
    if code == 134:
        return Role.ALARM_INPUT
    if code in (135, 140):
        return Role.ALARM_OUTPUT
    if code in (136, 137):
        return Role.VOICE
    return Role.OTHER


def ssrc_of(domain_id: str, serial: int, *, is_history: bool = False) -> int:
    """Return the SSRC written in a y= line: kind, digits 4-8 of the domain, four digits of serial."""
    if not re.fullmatch(r"\d{8,20}", domain_id, re.ASCII) or not 0 <= serial <= 9999:
        raise ValueError("a domain of at least 8 digits and a serial of at most 9999 are needed")
    return int(f"{int(is_history)}{domain_id[3:8]}{serial:04d}")
