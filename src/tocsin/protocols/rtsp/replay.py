"""Asking an RTSP server for what was recorded: ranges of clock time, and how fast it is to be sent. Pure.

Source: RFC 2326, Range and Scale; ONVIF Streaming specification, replay (`onvif-replay`, Rate-Control, Immediate).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

FEATURE: Final = "onvif-replay"
REQUIRE: Final = ("Require", FEATURE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def play_headers(
    starts_ms: float | None, ends_ms: float, *, scale: float = 1.0, is_fast: bool = False
) -> list[tuple[str, str]]:
    """Return the headers of a PLAY, times in ms since 1970 UTC; without a beginning it goes on from where it stands.

    `is_fast`: as fast as the connection takes it. Otherwise the server keeps the pace of the recording, times `scale`.
    """
    headers = [REQUIRE]
    if starts_ms is not None:
        headers += [("Range", clock_range(starts_ms, ends_ms)), ("Immediate", "yes")]
    return [*headers, ("Rate-Control", "no")] if is_fast else [*headers, ("Scale", f"{scale:g}")]


def clock_range(starts_ms: float, ends_ms: float | None) -> str:
    """Return a range of clock time, to the millisecond."""
    return f"clock={_word(starts_ms)}-{'' if ends_ms is None else _word(ends_ms)}"


def read_clock_range(value: str) -> tuple[float, float | None] | None:
    """Return beginning and end of a range, ms since 1970 UTC; None when it is no range of clock time."""
    kind, equals, rest = value.strip().partition("=")
    begins, dash, ends = rest.partition(";")[0].strip().partition("-")
    starts_ms = _read(begins.strip())
    if kind.strip().lower() != "clock" or not equals or not dash or starts_ms is None:
        return None
    if not ends.strip():
        return starts_ms, None
    ends_ms = _read(ends.strip())
    return None if ends_ms is None else (starts_ms, ends_ms)


def _word(at_ms: float) -> str:
    at = _EPOCH + timedelta(milliseconds=round(at_ms))
    return f"{at.year:04d}{at:%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"


def _read(word: str) -> float | None:
    main, _, fraction = word.removesuffix("Z").partition(".")
    digits = main.replace("T", "", 1)
    if not word.endswith("Z") or len(main) != 15 or len(digits) != 14 or not (digits.isascii() and digits.isdigit()):
        return None
    if fraction and not (fraction.isascii() and fraction.isdigit() and len(fraction) <= 9):
        return None
    try:
        at = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (at - _EPOCH).total_seconds() * 1000.0 + float(f"0.{fraction or 0}") * 1000.0
