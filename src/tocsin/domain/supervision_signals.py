"""The events supervision hands to intake, as signals of our own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import iso
from tocsin.domain.signals import Home, Signal
from tocsin.domain.supervision_causes import Cause, CauseKind, Outage

PROTOCOL: Final = "tocsin"
PATH_PRIORITY: Final = 4
ONE_PATH_PRIORITY: Final = 5
ALL_PATHS_PRIORITY: Final = 3
RECEIVER_PRIORITY: Final = 2
GROUP_PRIORITY: Final = 3
_encode = msgspec.json.Encoder(order="deterministic").encode


def path_signal(
    device_id: str,
    label: str,
    at: datetime,
    since: datetime,
    interval_s: float,
    *,
    is_over: bool,
    path: str,
    is_receiver: bool = False,
    is_all: bool = False,
) -> Signal:
    """Return `comms.path_failed`, or `comms.path_restored` with the length of the outage.

    With a `path` another one still works, and it is less grave; `is_all` says that several were lost, and it is graver.
    Of a hardware receiver it is `receiver.link_failed`, gravest: every panel behind it has fallen silent.
    """
    silent_s = max(0, round((at - since).total_seconds()))
    which_en, which_zh = (f" on path {path}", f"（线路 {path}）") if path else ("", "")
    prefix, priority = "comms.path", ONE_PATH_PRIORITY if path else PATH_PRIORITY
    if is_receiver and not path:
        prefix, priority = "receiver.link", RECEIVER_PRIORITY
    elif is_all:
        prefix, priority = "comms.all_paths", ALL_PATHS_PRIORITY
        which_en, which_zh = " on any path", "（全部线路）"
    if is_over:
        code, kind = f"{prefix}_restored", EventKind.RESTORE
        words = (f"Signals again{which_en} after {silent_s} s", f"通信恢复{which_zh}，中断 {silent_s} 秒")
    else:
        code, kind = f"{prefix}_failed", EventKind.TROUBLE
        words = (f"No signals{which_en} for {silent_s} s", f"通信中断{which_zh}，已 {silent_s} 秒无信号")
        if prefix.startswith("receiver"):
            words = (
                f"The receiver has been silent for {silent_s} s: nothing comes from the panels behind it",
                f"接收机已 {silent_s} 秒无信号，其下主机的报警均无法收到",
            )
    detail: dict[str, object] = {"since": iso(since), "silent_s": silent_s, "interval_s": interval_s, "path": path}
    event = NormalEvent(PROTOCOL, code, kind, Category.COMMS, priority, *words, area=path)
    return own_signal(device_id, label, at, event, detail)


def group_signal(outage: Outage, at: datetime, home: Home | None, *, is_over: bool) -> Signal:
    """Return `comms.group_failed` or its end; the device named stands for those that fell silent with it."""
    cause_en, cause_zh = _cause_words(outage.cause)
    lost, away = len(outage.lost), outage.away
    if is_over:
        code, kind = "comms.group_restored", EventKind.RESTORE
        words = (
            f"{cause_en}: {lost - away} of {lost} devices are heard again",
            f"{cause_zh}：{lost} 台失联设备中 {lost - away} 台已恢复通信",
        )
    else:
        code, kind = "comms.group_failed", EventKind.TROUBLE
        words = (
            f"{cause_en}: {lost} of {outage.size} devices fell silent together; the first",
            f"等 {lost} 台设备同时失联（{cause_zh}，共 {outage.size} 台）",
        )
    event = NormalEvent(PROTOCOL, code, kind, Category.SUPERVISORY, GROUP_PRIORITY, *words)
    detail: dict[str, object] = {
        "outage_id": outage.id,
        "cause": outage.cause.kind.value,
        "value": outage.cause.value,
        "late": lost,
        "size": outage.size,
        "away": away,
    }
    return replace(own_signal(outage.stands, outage.label, at, event, detail), home=home)


def outage_title(outage: Outage) -> tuple[str, str]:
    """Return the title of an outage's incident as it stands now, in English and Chinese."""
    cause_en, cause_zh = _cause_words(outage.cause)
    most, away = outage.most, outage.away
    if outage.ended_at is not None:
        return (
            f"{cause_en}: over, {most} devices were silent at the worst",
            f"{cause_zh}：集中失联已结束，最多时 {most} 台失联",
        )
    return (
        f"{cause_en}: {away} devices silent, {most} at the worst, of {outage.size}",
        f"{cause_zh}：当前 {away} 台失联，最多时 {most} 台（共 {outage.size} 台）",
    )


def _cause_words(cause: Cause) -> tuple[str, str]:
    """Name a cause in English and Chinese."""
    english, chinese = _CAUSES[cause.kind]
    return f"{english} {cause.value}", f"{chinese} {cause.value}"


_CAUSES: Final = {
    CauseKind.RECEIVER: ("Receiver", "接收机"),
    CauseKind.LINE: ("Uplink", "上联线路"),
    CauseKind.NETWORK: ("Carrier", "运营商"),
    CauseKind.FEEDER: ("Power district", "供电台区"),
    CauseKind.TOWN: ("Town", "乡镇"),
    CauseKind.COUNTY: ("County", "县区"),
}


def late_test_signal(device_id: str, label: str, at: datetime, late_s: int, misses: int) -> Signal:
    """Return `test.late` (the second miss is graver), or with no miss that the test came after all."""
    if not misses:
        event = NormalEvent(
            PROTOCOL,
            "test.received",
            EventKind.RESTORE,
            Category.TEST,
            7,
            "The overdue test has arrived",
            "逾期的定期测试已收到",
        )
    else:
        event = NormalEvent(
            PROTOCOL,
            "test.late",
            EventKind.TROUBLE,
            Category.TEST,
            5 if misses < 2 else 4,
            f"Periodic test overdue by {late_s} s",
            f"定期测试逾期 {late_s} 秒",
        )
    return own_signal(device_id, label, at, event, {"late_s": late_s, "misses": misses})


def own_signal(device_id: str, label: str, at: datetime, event: NormalEvent, detail: dict[str, object]) -> Signal:
    """Return an event of the house itself about a device as a signal."""
    return Signal(
        protocol=PROTOCOL,
        transport="internal",
        peer="",
        account=label,
        raw=_encode({"code": event.code, **detail}),
        received_at=at,
        device_id=device_id,
        token=event.code[:16],
        dedup_key=f"{event.code}|{iso(at)}|{event.area}",
        events=(event,),
    )
