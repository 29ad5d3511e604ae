"""Device profiles: the traits a device is found to have, from what evidence, and the matrix of makers and models.

A trait is guessed (from an imported matrix) or proven (by what the device did); a setting of the device goes
before both.

Source: design note 0007; GB/T 28181 field reports (reference, quirks).
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.devices import Device
from tocsin.domain.fields import refuse

MAX_MATRIX_BYTES: Final = 2 << 20
MAX_MATRIX_ROWS: Final = 10_000
MAX_VALUE_CHARS: Final = 200
MAX_NAME_CHARS: Final = 100
FORMAT_VERSION: Final = 1

MODES: Final = ("udp", "tcp_passive", "tcp_active")
OPEN: Final[tuple[str, ...]] = ()  # any short text

# trait -> its values; an open list takes what was seen
TRAITS: Final[Mapping[str, tuple[str, ...]]] = {
    "charset": ("gb2312", "gbk", "gb18030", "utf-8"),
    "sdp_variant": ("standard", "wide", "channel_origin", "bare"),
    "media_ladder": OPEN,
    "call_target": ("channel", "device"),
    "date_form": ("milliseconds", "seconds", "none"),
    "signalling": ("udp", "tcp"),
    "stream_line": ("streamnumber", "stream", "streamprofile", "streammode"),
    "record_uri": ("0", "3"),
    "ssrc": ("same", "other"),
    "wire": OPEN,
    "alarm_ways": OPEN,
    "alarm_subscription": OPEN,
    "clock_zone": ("utc",),
}
# trait -> the setting of the device that overrules it
SETTING_OF: Final[Mapping[str, str]] = {
    "charset": "charset",
    "sdp_variant": "sdp_variant",
    "media_ladder": "media_first",
    "call_target": "call_target",
    "date_form": "date_form",
    "signalling": "signalling",
    "stream_line": "stream_line",
    "record_uri": "record_uri",
}
# what an imported matrix may set before the device has shown it; the rest only tells people what to expect
GUESSABLE: Final = frozenset(SETTING_OF)

WORDS: Final = Words(
    {
        "profile.charset": ("Its texts are written in {value}.", "文本编码为 {value}。"),
        "profile.sdp_variant.standard": ("It takes the offer of the standard.", "接受标准媒体描述。"),
        "profile.sdp_variant.wide": (
            "It wants all payload types listed in the offer (96 126 125 99 34 98 97).",
            "媒体描述需列出全部负载类型（96 126 125 99 34 98 97）。",
        ),
        "profile.sdp_variant.channel_origin": (
            "It wants the channel's id in the o= line of the offer.",
            "媒体描述的 o= 行需填写通道编号。",
        ),
        "profile.sdp_variant.bare": (
            "It takes only a plain offer: PS alone, without the y= line.",
            "只接受最简媒体描述：仅 PS，不带 y= 行。",
        ),
        "profile.media_ladder": ("Pictures are asked for by {value}.", "取流方式依次为：{value}。"),
        "profile.call_target.channel": ("Pictures are asked of the channel.", "点播时呼叫通道编号。"),
        "profile.call_target.device": (
            "Pictures are asked of the device's own id: it does not answer for its channel.",
            "点播时呼叫设备编号：设备不应答通道编号。",
        ),
        "profile.date_form.milliseconds": ("It takes the clock with milliseconds.", "接受带毫秒的校时。"),
        "profile.date_form.seconds": ("It takes the clock only without milliseconds.", "只接受不带毫秒的校时。"),
        "profile.date_form.none": (
            "It does not take the clock at all; set its time by NTP.",
            "不接受平台校时，请为设备配置 NTP。",
        ),
        "profile.signalling.udp": ("Signalling goes by UDP.", "信令使用 UDP。"),
        "profile.signalling.tcp": (
            "Long questions reach it only by TCP.",
            "较长的请求只能通过 TCP 送达。",
        ),
        "profile.stream_line.streamnumber": ("Streams are chosen as the standard says.", "按标准方式选择码流。"),
        "profile.stream_line.stream": ("Streams are chosen by a=stream.", "用 a=stream 选择码流。"),
        "profile.stream_line.streamprofile": (
            "Streams are chosen by a=streamprofile.",
            "用 a=streamprofile 选择码流。",
        ),
        "profile.stream_line.streammode": ("Streams are chosen by a=streamMode.", "用 a=streamMode 选择码流。"),
        "profile.record_uri.0": ("Recordings are asked for as u=…:0 (all kinds).", "录像按 u=…:0（全部类型）请求。"),
        "profile.record_uri.3": (
            "Recordings are asked for as u=…:3 (by time): it refuses the usual 0.",
            "录像按 u=…:3（时间录像）请求：设备不接受 0。",
        ),
        "profile.ssrc.same": ("It sends under the stream number it was given.", "使用平台分配的流标识。"),
        "profile.ssrc.other": (
            "It sends under a stream number of its own; we follow it.",
            "使用自己的流标识（SSRC），平台已跟随。",
        ),
        "profile.wire": ("Its messages depart from the standard: {value}.", "报文与标准不符：{value}。"),
        "profile.clock_zone.utc": (
            "It writes UTC, eight hours behind Beijing time: look for its recordings under that time, or set its time"
            " zone.",
            "设备时间为 UTC，比北京时间慢 8 小时：检索录像时需换算，或在设备上设置时区。",
        ),
        "profile.alarm_ways": ("Its alarms come by {value}.", "报警上报方式：{value}。"),
        "profile.alarm_subscription.active": ("It reports its alarms to us by subscription.", "已订阅其报警。"),
        "profile.alarm_subscription": ("Subscription to its alarms: {value}.", "报警订阅：{value}。"),
        "evidence.seen": ("seen in what it sent", "来自设备发送的内容"),
        "evidence.document_bytes": ("the bytes of a document could be nothing else", "报文字节只能按此编码解读"),
        "evidence.picture_opened": ("a picture opened this way", "以此方式成功打开图像"),
        "evidence.picture_opened_after": (
            "a picture opened this way, at try {tries}",
            "第 {tries} 次尝试以此方式成功打开图像",
        ),
        "evidence.answer_named_another": ("its answer named another one", "设备应答中给出了另一个标识"),
        "evidence.dropped_after_date": (
            "it registered anew {times} times within seconds of being granted",
            "获准注册后数秒内又重新注册，共 {times} 次",
        ),
        "evidence.stayed_after_date": ("it stayed registered with this form", "采用此形式后注册保持正常"),
        "evidence.invite_only_by_tcp": (
            "a request for a picture went unanswered by UDP and was answered by TCP",
            "点播请求用 UDP 无应答，改用 TCP 后应答",
        ),
        "evidence.catalog_only_by_tcp": (
            "its list of channels came whole only by TCP",
            "目录只有通过 TCP 才能完整收到",
        ),
        "evidence.imported": (
            "guessed from {devices} devices of the same make in an imported matrix",
            "根据导入的型号矩阵推测（同型号 {devices} 台）",
        ),
        "profiles.not_a_matrix": (
            "This is not a matrix of device profiles: {what}.",
            "该内容不是设备型号矩阵：{what}。",
        ),
        "profiles.too_large": (
            "The matrix is too large: at most {limit} rows and 2 MiB.",
            "矩阵过大：最多 {limit} 行、2 MiB。",
        ),
    }
)
_MODE_WORDS: Final = {"udp": "UDP", "tcp_passive": "TCP passive", "tcp_active": "TCP active"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A trait of a device and what it was found from."""

    device_id: str
    trait: str
    value: str
    at: datetime
    evidence: str = "seen"
    is_proven: bool = True
    params: Mapping[str, str | int] = field(default_factory=dict)


def words_of(trait: str, value: str, language: str) -> str:
    """Return a trait in a sentence."""
    exact = f"profile.{trait}.{value}"
    if exact in WORDS:
        return WORDS.text(exact, language, {})
    shown = " > ".join(_MODE_WORDS.get(word, word) for word in value.split(",")) if trait == "media_ladder" else value
    return WORDS.text(f"profile.{trait}", language, {"value": shown}) if f"profile.{trait}" in WORDS else shown


def profile_form(device: Device, findings: Iterable[Finding], language: str) -> list[dict[str, Any]]:
    """Return what is known of a device, trait by trait: `state` is set, proven or guess."""
    known = {finding.trait: finding for finding in findings}
    rows = []
    for trait in TRAITS:
        setting = str(device.settings.get(SETTING_OF.get(trait, ""), "") or "")
        if trait == "date_form" and not setting and device.settings.get("send_date") is False:
            setting = "none"
        finding = known.get(trait)
        value = setting or (finding.value if finding else "")
        if not value:
            continue
        evidence = f"evidence.{finding.evidence}" if finding else ""
        is_found = finding is not None and not setting
        rows.append(
            {
                "trait": trait,
                "value": value,
                "words": words_of(trait, value, language),
                "state": "set" if setting else "proven" if finding and finding.is_proven else "guess",
                "at": iso(finding.at) if finding is not None and is_found else None,
                "evidence": WORDS.text(evidence, language, finding.params)
                if finding is not None and is_found and evidence in WORDS
                else "",
                "setting": SETTING_OF.get(trait, ""),
            }
        )
    return rows


def is_value(trait: str, value: str) -> bool:
    """Say whether a trait may have this value."""
    if trait not in TRAITS or not value or len(value) > MAX_VALUE_CHARS or not value.isprintable():
        return False
    if trait == "media_ladder":
        words = value.split(",")
        return all(word in MODES for word in words) and len(set(words)) == len(words)
    return not TRAITS[trait] or value in TRAITS[trait]


# --- the matrix -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One make: how many devices there are of it, and how many show which value of each trait."""

    maker: str
    model: str
    firmware: str
    devices: int
    traits: Mapping[str, Mapping[str, int]]

    def form(self) -> dict[str, Any]:
        """Return it as the API and the JSON file show it."""
        return {
            "maker": self.maker,
            "model": self.model,
            "firmware": self.firmware,
            "devices": self.devices,
            "traits": {trait: dict(values) for trait, values in self.traits.items()},
        }


@dataclass(frozen=True, slots=True)
class Guess:
    """The commonest value of a trait for one make; `maker` and `model` as compared: trimmed, small letters."""

    maker: str
    model: str
    firmware: str
    trait: str
    value: str
    devices: int


def make_matrix(
    makes: Iterable[tuple[str, str, str, int]], counted: Iterable[tuple[str, str, str, str, str, int]]
) -> list[MatrixRow]:
    """Return the matrix of (maker, model, firmware, devices) and (maker, model, firmware, trait, value, devices)."""
    traits: dict[tuple[str, str, str], dict[str, dict[str, int]]] = {}
    for maker, model, firmware, trait, value, devices in counted:
        traits.setdefault((maker, model, firmware), {}).setdefault(trait, {})[value] = devices
    rows = [
        MatrixRow(maker, model, firmware, devices, _in_order(traits.get((maker, model, firmware), {})))
        for maker, model, firmware, devices in makes
    ]
    return sorted(rows, key=lambda row: (row.maker == "", row.maker.lower(), row.model.lower(), row.firmware))


def _in_order(found: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    ordered = {trait: found[trait] for trait in TRAITS if trait in found}
    return {trait: dict(Counter(values).most_common()) for trait, values in ordered.items()}


def matrix_csv(rows: Iterable[MatrixRow]) -> str:
    """Return the matrix as CSV, one line a make; several values of a trait stand as `value:count|value:count`."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["maker", "model", "firmware", "devices", *TRAITS])
    for row in rows:
        cells = ["|".join(f"{value}:{count}" for value, count in row.traits.get(t, {}).items()) for t in TRAITS]
        writer.writerow([_cell(row.maker), _cell(row.model), _cell(row.firmware), row.devices, *map(_cell, cells)])
    return out.getvalue()


def matrix_json(rows: Iterable[MatrixRow]) -> str:
    """Return the matrix as JSON."""
    return json.dumps({"version": FORMAT_VERSION, "rows": [row.form() for row in rows]}, ensure_ascii=False, indent=1)


def read_matrix(text: str) -> list[MatrixRow]:
    """Return the rows of an exported matrix, JSON or CSV. Errors: INVALID, naming the line or row that is wrong."""
    if len(text) > MAX_MATRIX_BYTES:
        raise _too_large()
    rows = _read_json(text) if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) else _read_csv(text)
    if not rows:
        raise _not_a_matrix("it has no rows")
    return rows


def guesses_of(rows: Iterable[MatrixRow]) -> list[Guess]:
    """Return the commonest value of each trait a device may be started with; rows without a make say nothing."""
    found: dict[tuple[str, str, str, str], Guess] = {}
    for row in rows:
        maker, model = make_key(row.maker), make_key(row.model)
        if not maker or not model:
            continue
        for trait, values in row.traits.items():
            if trait in GUESSABLE and values:
                value, count = max(values.items(), key=lambda item: item[1])
                key = (maker, model, row.firmware.strip(), trait)
                if key not in found or found[key].devices < count:
                    found[key] = Guess(*key, value, count)
    return list(found.values())


def guesses_for(device: Device, known: Iterable[Guess], found: Iterable[str]) -> list[Guess]:
    """Return the guesses that fit a device and that it has not shown itself; the same firmware goes first."""
    fitting: dict[str, Guess] = {}
    for guess in sorted(known, key=lambda one: (one.firmware == device.firmware, one.devices)):
        fitting[guess.trait] = guess
    taken = set(found)
    return [guess for trait, guess in fitting.items() if trait not in taken]


def make_key(text: str) -> str:
    """Return a maker or model as it is compared."""
    return " ".join(text.split()).lower()[:MAX_NAME_CHARS]


def _cell(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _read_json(text: str) -> list[MatrixRow]:
    try:
        content = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise _not_a_matrix(f"JSON: {error}"[:120]) from None
    given = content.get("rows") if isinstance(content, dict) else content
    if not isinstance(given, list):
        raise _not_a_matrix("rows")
    if len(given) > MAX_MATRIX_ROWS:
        raise _too_large()
    rows = []
    for number, row in enumerate(given, start=1):
        if not isinstance(row, dict) or not isinstance(row.get("traits", {}), dict):
            raise _not_a_matrix(f"row {number}")
        traits: dict[str, dict[str, int]] = {}
        for trait, values in row.get("traits", {}).items():
            if not isinstance(values, dict):
                raise _not_a_matrix(f"row {number}, {str(trait)[:40]}")
            traits[str(trait)] = {str(value): _count(count, f"row {number}") for value, count in values.items()}
        rows.append(
            _row(row.get("maker"), row.get("model"), row.get("firmware"), row.get("devices", 0), traits, number)
        )
    return rows


def _read_csv(text: str) -> list[MatrixRow]:
    rows: list[MatrixRow] = []
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    try:
        names = reader.fieldnames or []
        if "maker" not in names or "model" not in names:
            raise _not_a_matrix("maker, model")
        for number, row in enumerate(reader, start=2):
            if len(rows) >= MAX_MATRIX_ROWS:
                raise _too_large()
            plain = {name: (row.get(name) or "").removeprefix("'") for name in names}
            traits = {trait: _counts(plain[trait], f"line {number}") for trait in TRAITS if plain.get(trait)}
            rows.append(
                _row(plain["maker"], plain["model"], plain.get("firmware"), plain.get("devices") or 0, traits, number)
            )
    except csv.Error as error:
        raise _not_a_matrix(f"CSV: {error}"[:120]) from None
    return rows


def _counts(cell: str, where: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in cell.split("|"):
        value, _, count = part.strip().rpartition(":")
        if value:
            found[value] = _count(count, where)
        elif count:
            found[count] = 1
    return found


def _row(
    maker: Any, model: Any, firmware: Any, devices: Any, traits: Mapping[str, Mapping[str, int]], number: int
) -> MatrixRow:
    where = f"row {number}"
    for trait, values in traits.items():
        if trait not in TRAITS:
            raise _not_a_matrix(f"{where}: {trait[:40]}")
        for value in values:
            if not is_value(trait, value):
                raise _not_a_matrix(f"{where}: {trait} = {value[:40]}")
    texts = [str(text or "").strip()[:MAX_NAME_CHARS].rstrip() for text in (maker, model, firmware)]
    if not all(text.isprintable() for text in texts):
        raise _not_a_matrix(where)
    return MatrixRow(texts[0], texts[1], texts[2], _count(devices, where), traits)


def _count(value: Any, where: str) -> int:
    text = value.strip(" ") if isinstance(value, str) else ""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return value
    raise _not_a_matrix(f"{where}: {str(value)[:40]}")


def _not_a_matrix(what: str) -> TocsinError:
    return refuse("text", "profiles.not_a_matrix", f"not a matrix of device profiles: {what}", what=what)


def _too_large() -> TocsinError:
    return TocsinError(
        ErrorCode.INVALID, "the matrix is too large", key="profiles.too_large", field="text", limit=MAX_MATRIX_ROWS
    )
