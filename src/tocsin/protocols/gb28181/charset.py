"""Character sets of MANSCDP bodies: what the bytes are, whatever the label says.

Source: GB/T 28181-2016 (GB2312) and -2022 (GB18030), "Message body"; labels seen in the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_MULTIBYTE: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
CERTAIN_SEQUENCES: Final = 3


class Charset(StrEnum):
    """How a device's text is encoded; also what is remembered about it."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    GB18030 = "gb18030"
    LATIN1 = "latin-1"


class Label(StrEnum):
    """What we declare in the XML header towards a peer."""

    GB2312 = "GB2312"
    GB18030 = "GB18030"
    UTF8 = "UTF-8"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the set that explained it; `is_certain` is False for plain ASCII and for a guess."""

    text: str
    charset: Charset
    is_certain: bool


def decode_text(data: bytes, learned: str = "") -> Decoded:
    """Decode a body. `learned` is the device's remembered set and decides when the bytes could be either."""
    if data.startswith(b"\xef\xbb\xbf"):
        return Decoded(data[3:].decode("utf-8", "replace"), Charset.UTF8, True)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Decoded(data.decode("utf-16", "replace"), Charset.UTF16, True)
    if data.isascii():
        return Decoded(data.decode("ascii"), Charset(learned) if learned in tuple(Charset) else Charset.GB18030, False)
    as_utf8 = _strict(data, "utf-8")
    if as_utf8 is not None:
        is_certain = len(_MULTIBYTE.findall(data)) >= CERTAIN_SEQUENCES
        if is_certain or learned != Charset.GB18030:
            return Decoded(as_utf8, Charset.UTF8, is_certain)
    as_gb = _strict(data, "gb18030")
    if as_gb is not None:
        return Decoded(as_gb, Charset.GB18030, as_utf8 is None)
    if as_utf8 is not None:
        return Decoded(as_utf8, Charset.UTF8, True)
    return Decoded(data.decode("latin-1"), Charset.LATIN1, False)


def encode_text(text: str, label: Label) -> bytes:
    """Encode a body for a peer; with GB2312 only the two-byte repertoire is used and the rest becomes "?"."""
    if label is Label.UTF8:
        return text.encode("utf-8", "replace")
    if label is Label.GB2312:
        return text.encode("gbk", "replace")
    return text.encode("gb18030", "replace")


def charset_named(name: str) -> str:
    """Return our word for a set as people name it: GB2312 and GBK are read as GB18030, which contains them."""
    word = name.strip().lower()
    return Charset.GB18030.value if word in ("gb2312", "gbk") else word


def label_for(version: str, learned: str = "") -> Label:
    """Return the label a peer of this edition (`X-GB-ver`, "" unknown) expects."""
    if learned == Charset.UTF8:
        return Label.UTF8
    return Label.GB18030 if version.strip().startswith("3") else Label.GB2312


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None
