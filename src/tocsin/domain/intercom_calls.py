"""Calls of door intercoms as the house keeps them: who answered, when, how it ended; never who rang, and no sound.

ringing -> answered -> ended, or ringing -> ended (missed). What rings is committed before it rings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import CallAccess, Permission
from tocsin.domain.signals import Signal

ANSWER: Final = Permission.HANDLE_INCIDENT
OPEN: Final = Permission.OPEN_DOOR
RINGING: Final = "ringing"
ANSWERED: Final = "answered"
ENDED: Final = "ended"
MAX_REASON: Final = 200

WORDS: Final = Words(
    {
        "call.answered_elsewhere": ("{holder} has answered this call.", "{holder} 已接听该呼叫。"),
        "call.over": ("The call is over.", "呼叫已结束。"),
        "call.not_answered": ("Answer the call first.", "请先接听呼叫。"),
        "call.not_yours": ("Somebody else has this call in hand.", "该呼叫由其他值班员处理。"),
        "call.no_sound": (
            "The intercom offers no sound we can play (G.711 A or µ). Set its audio codec to G.711.",
            "对讲机未提供可用的音频格式（G.711 A/µ），请将其音频编码设为 G.711。",
        ),
        "call.no_code": (
            "No code to open this door has been entered. Enter it on the intercom's page.",
            "尚未录入该门的开门码，请在对讲机页面填写。",
        ),
        "call.no_tones": (
            "The intercom takes no tones (RFC 4733). Choose SIP INFO on its page.",
            "对讲机不支持 RFC 4733 按键音，请在其页面改用 SIP INFO。",
        ),
        "call.code_refused": ("The intercom refused the code ({status}).", "对讲机拒绝了开门码（{status}）。"),
        "call.code_unanswered": (
            "The intercom did not answer; whether the door opened is not known.",
            "对讲机没有应答，无法确认门是否已开。",
        ),
        "call.no_picture": ("The call brings no picture.", "该呼叫不带图像。"),
        "call.picture_lost": ("The intercom's own picture stopped.", "对讲机自带图像已中断。"),
        "call.reason_missing": ("Say why the door is opened.", "请填写开门原因。"),
        "call.raised": ("An incident has been raised from this call already.", "该呼叫已转为警情。"),
        "intercom.registered": ("It has registered.", "设备已注册。"),
    }
)


@dataclass(frozen=True, slots=True)
class DoorCall:
    """One call of one intercom."""

    id: str
    device_id: str
    jurisdiction_code: str
    called: str
    is_sos: bool
    has_sound: bool
    started_at: datetime
    state: str = RINGING
    answered_at: datetime | None = None
    answered_by: str = ""
    answerer: str = ""  # name, for those who see the call
    ended_at: datetime | None = None
    end_reason: str = ""
    signal_id: str = ""
    incident_id: str = ""
    opened: int = 0
    name: str = ""
    name_en: str = ""
    place_id: str = ""
    cameras: tuple[str, ...] = ()
    can_open: bool = False
    has_picture: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state == ENDED

    @property
    def was_missed(self) -> bool:
        """Whether it ended without an answer."""
        return self.is_over and self.answered_at is None

    def access(self) -> CallAccess:
        """Return what the view rules need to know of it."""
        own = self.device_id if self.has_picture else ""  # an intercom makes one call at a time
        return CallAccess(
            self.id,
            self.jurisdiction_code,
            not self.is_over,
            self.answered_by or None,
            frozenset((*self.cameras, *([own] if own else []))),
            own,
        )

    def answered(self, user_id: str, name: str, now: datetime) -> DoorCall:
        """Return it in the hands of one operator. Errors: CONFLICT for the second one, or when it is over."""
        if self.is_over:
            raise TocsinError(ErrorCode.CONFLICT, "the call is over", key="call.over")
        if self.state == ANSWERED:
            raise TocsinError(
                ErrorCode.CONFLICT, "answered elsewhere", key="call.answered_elsewhere", holder=self.answerer
            )
        return replace(self, state=ANSWERED, answered_at=now, answered_by=user_id, answerer=name)

    def ended(self, reason: str, now: datetime) -> DoorCall:
        """Return it ended; ending twice changes nothing."""
        return self if self.is_over else replace(self, state=ENDED, ended_at=now, end_reason=reason[:24])

    def form(self) -> dict[str, object]:
        """Return it as API and feed show it."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "name": self.name,
            "name_en": self.name_en,
            "place_id": self.place_id or None,
            "called": self.called,
            "sos": self.is_sos,
            "sound": self.has_sound,
            "state": self.state,
            "started_at": iso(self.started_at),
            "answered_at": iso(self.answered_at) if self.answered_at else None,
            "answered_by": {"user_id": self.answered_by, "name": self.answerer} if self.answered_by else None,
            "ended_at": iso(self.ended_at) if self.ended_at else None,
            "reason": self.end_reason,
            "missed": self.was_missed,
            "incident_id": self.incident_id or None,
            "cameras": list(self.cameras),
            "picture": self.has_picture,
            "can_open": self.can_open,
            "opened": self.opened,
        }


@dataclass(frozen=True, slots=True)
class Rang:
    """An intercom rings: what becomes a signal and a call in one commit."""

    call_id: str
    device_id: str
    called: str
    is_sos: bool
    has_sound: bool
    signal: Signal
    has_picture: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A call ended by itself; `signal` is kept when nobody had answered."""

    call_id: str
    reason: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class Raised:
    """An operator makes an incident of a call."""

    call_id: str
    signal: Signal
    user_id: str
    user_kind: str


@dataclass(frozen=True, slots=True)
class Binding:
    """An intercom that was registered when we last ran."""

    device_id: str
    account: str
    peer: str
    until: datetime


def checked_reason(reason: str) -> str:
    """Return why a door is opened. Errors: INVALID without one."""
    text = "".join(c for c in reason if c.isprintable()).strip()
    if not text:
        raise TocsinError(ErrorCode.INVALID, "a reason is needed", key="call.reason_missing", field="reason")
    return text[:MAX_REASON]


def forgotten_before(now: datetime, keep_days: float) -> datetime:
    """Return the time before which calls are deleted."""
    return now - timedelta(days=keep_days)
