"""Notices: what the control room must know about the system itself, raised once and cleared by itself.

Most are stored and announced like everything else. What says that nothing can be stored lives in memory, and is told
to listeners directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.events import NoticeCleared, NoticeRaised
from tocsin.domain.store import Store

STORE_FAILING: Final = "store.failing"
CLOCK_STEPPED: Final = "clock.stepped"
GATEWAY_DOWN: Final = "gateway.down"
FLOOD: Final = "load.flood"
UNATTENDED: Final = "incident_unattended"
CLOCK_STEP_S: Final = 2.0
CLOCK_NOTICE_LASTS: Final = timedelta(minutes=10)

WORDS: Final = Words(
    {
        STORE_FAILING: (
            "Nothing can be stored: {reason}. Panels get no acknowledgement and send again; nothing is lost.",
            "无法写入存储：{reason}。报警主机收不到确认会重发，不会丢失。",
        ),
        CLOCK_STEPPED: (
            "The clock of this server was moved by {step_s} s. Check its time source.",
            "服务器时钟跳变了 {step_s} 秒，请检查时间源。",
        ),
        UNATTENDED: (
            "Nobody has taken incident {number} in hand.",
            "警情 {number} 尚无人接手。",
        ),
        "media.worker_lost": (
            "A picture worker ended and is being started again.",
            "一个画面进程已退出，正在重新启动。",
        ),
        "media.no_worker": (
            "No picture worker is running: no picture can be shown.",
            "画面进程均未运行，无法显示画面。",
        ),
        "task.failing": ("The task {task} keeps failing: {error}", "任务 {task} 反复失败：{error}"),
        GATEWAY_DOWN: (
            "{gateway} does not work and is being started again: {reason}. Devices keep their signals meanwhile.",
            "{gateway} 已停止工作，正在重新启动：{reason}。其间设备会保留并重发信号。",
        ),
        "gateway.stalled": (
            "The receiver {gateway} has stopped reading: the store is too slow.",
            "接收服务 {gateway} 已暂停读取：存储过慢。",
        ),
        "audit.broken": (
            "The audit chain does not verify: {problem}",
            "审计链校验未通过：{problem}",
        ),
        FLOOD: (
            "Flood: {alarms} alarms since it began, more than can be decided about (on duty: {seats}). Alike ones can "
            "be closed together on the page of the load.",
            "警情洪峰：开始以来已有 {alarms} 条报警，超出 {seats} 个席位的处理能力。可在“负荷”页对同类警情批量处置。",
        ),
        "disk.low": ("Only {free_mb} MB are left on the disk.", "磁盘仅剩 {free_mb} MB。"),
    }
)


class Severity(StrEnum):
    """How urgent a notice is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the system itself; key and subject together are open once at most."""

    id: str
    key: str
    severity: str
    since: datetime
    subject_id: str = ""
    jurisdiction_code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    cleared_at: datetime | None = None

    def form(self, language: str = "zh", words: Words = WORDS) -> dict[str, object]:
        """Return it as the API and the feed show it; `words` in the language asked for."""
        return {
            "id": self.id,
            "key": self.key,
            "subject_id": self.subject_id,
            "severity": self.severity,
            "params": dict(self.params),
            "since": iso(self.since),
            "words": words.text(self.key, language, self.params),
            "words_en": words.text(self.key, "en", self.params),
            "words_zh": words.text(self.key, "zh", self.params),
            "cleared_at": None if self.cleared_at is None else iso(self.cleared_at),
        }


Listener = Callable[[str, Notice], None]


class NoticeBoard:
    """Raises, clears and lists notices."""

    def __init__(self, store: Store, clock: Clock, words: Words = WORDS) -> None:
        self._store = store
        self._clock = clock
        self._words = words.merged(WORDS)
        self._transient: dict[tuple[str, str], Notice] = {}
        self._listeners: list[Listener] = []

    def on_transient(self, listener: Listener) -> None:
        """Call `listener` with `raised` or `cleared` and the notice, for those that cannot pass through the store."""
        self._listeners.append(listener)

    async def raise_notice(
        self,
        key: str,
        severity: Severity,
        *,
        subject_id: str = "",
        jurisdiction_code: str = "",
        params: Mapping[str, Any] | None = None,
    ) -> Notice:
        """Raise a notice, unless it is raised already; return it."""
        notice = Notice(
            new_id(), key, severity.value, self._clock.now(), subject_id, jurisdiction_code, dict(params or {})
        )
        return await self._store.run(_raise, notice, self._words)

    async def clear_notice(self, key: str, subject_id: str = "") -> None:
        """Clear a notice, if it is raised."""
        await self._store.run(_clear, key, subject_id, self._clock.now(), self._words)

    def raise_transient(
        self, key: str, severity: Severity, *, subject_id: str = "", params: Mapping[str, Any] | None = None
    ) -> None:
        """Raise a notice in memory only; new parameters replace the old ones."""
        known = self._transient.get((key, subject_id))
        since = known.since if known is not None else self._clock.now()
        notice_id = known.id if known is not None else new_id()
        notice = Notice(notice_id, key, severity.value, since, subject_id, "", dict(params or {}))
        if known == notice:
            return
        self._transient[(key, subject_id)] = notice
        self._tell("raised", notice)

    def clear_transient(self, key: str, subject_id: str = "") -> Notice | None:
        """Clear a notice that is in memory only; return it."""
        notice = self._transient.pop((key, subject_id), None)
        if notice is not None:
            self._tell("cleared", notice)
        return notice

    def note_store(self, is_ok: bool, reason: str = "") -> None:
        """Hear that commits fail, or succeed again."""
        if is_ok:
            self.clear_transient(STORE_FAILING)
        else:
            self.raise_transient(STORE_FAILING, Severity.CRITICAL, params={"reason": reason})

    def note_gateway(self, name: str, reason: str) -> None:
        """Hear that a gateway is down, or with no reason that it works again."""
        if reason:
            params = {"gateway": name, "reason": reason}
            self.raise_transient(GATEWAY_DOWN, Severity.CRITICAL, subject_id=name, params=params)
        else:
            self.clear_transient(GATEWAY_DOWN, name)

    async def shown_to(self, actor: Actor, language: str = "zh") -> list[dict[str, object]]:
        """Return what is raised and the actor may know, gravest and newest first. A store that cannot be read hides
        nothing that is in memory.
        """
        visible = scope(actor, Permission.READ_REGISTRY)
        if visible.is_empty:
            return []
        try:
            stored: list[Notice] = await self._store.read(lambda tx: tx.notices.open(visible_to=visible))
        except Exception:
            if not self._transient:
                raise
            stored = []
        order = [severity.value for severity in Severity]
        found = [*self._transient.values(), *stored]
        found.sort(key=lambda notice: notice.since, reverse=True)
        found.sort(key=lambda notice: order.index(notice.severity))
        return [notice.form(language, self._words) for notice in found]

    def _tell(self, what: str, notice: Notice) -> None:
        for listener in self._listeners:
            listener(what, notice)


class ClockWatch:
    """Notices that the wall clock was stepped, by comparing it with the clock that never is."""

    def __init__(self, board: NoticeBoard, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._wall = clock.now()
        self._monotonic = clock.monotonic()
        self._raised_at: float | None = None

    async def check(self) -> float:
        """Raise a notice after a step of more than 2 s, clear it ten minutes later; return the step in seconds."""
        wall, monotonic = self._clock.now(), self._clock.monotonic()
        step_s = (wall - self._wall).total_seconds() - (monotonic - self._monotonic)
        self._wall, self._monotonic = wall, monotonic
        if abs(step_s) > CLOCK_STEP_S:
            await self._board.clear_notice(CLOCK_STEPPED)
            await self._board.raise_notice(CLOCK_STEPPED, Severity.WARNING, params={"step_s": round(step_s, 1)})
            self._raised_at = monotonic
            return step_s
        if self._raised_at is None or monotonic - self._raised_at > CLOCK_NOTICE_LASTS.total_seconds():
            if self._raised_at is not None:
                await self._board.clear_notice(CLOCK_STEPPED)
            self._raised_at = None
        return 0.0


def _raise(tx: Any, notice: Notice, words: Words) -> Notice:
    known: Notice | None = tx.notices.find(notice.key, notice.subject_id)
    if known is not None:
        return known
    tx.notices.add(notice)
    tx.record(
        NoticeRaised(
            subject_id=notice.id,
            at=notice.since,
            jurisdiction_code=notice.jurisdiction_code,
            data=notice.form(words=words),
            key=notice.key,
            severity=notice.severity,
        )
    )
    return notice


def _clear(tx: Any, key: str, subject_id: str, at: datetime, words: Words) -> None:
    known: Notice | None = tx.notices.find(key, subject_id)
    if known is None:
        return
    cleared = tx.notices.clear(known, at)
    tx.record(
        NoticeCleared(
            subject_id=known.id,
            at=at,
            jurisdiction_code=known.jurisdiction_code,
            data=cleared.form(words=words),
            key=key,
        )
    )
