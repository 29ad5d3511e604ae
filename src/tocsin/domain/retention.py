"""Retention policies: how long recordings of a camera are kept at least and at most, why, and which contradict.

A camera's floor is the greatest minimum, its ceiling the least maximum of all policies that apply to it.
Source: governance reference, retention floors combined; REQ-G11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.fields import refuse
from tocsin.domain.places import PLACE_CLASSES

DAY_MS: Final = 86_400_000
MAX_DAYS: Final = 3_650

WORDS: Final = Words(
    {
        "retention.min_over_max": (
            "At least {min_days} days and at most {max_days} days cannot both hold.",
            "“至少 {min_days} 天”与“至多 {max_days} 天”无法同时成立。",
        ),
        "retention.contradicts": (
            "This contradicts the policy “{other}”: one asks for at least {min_days} days, the other allows at most "
            "{max_days}. Change one of them, or narrow it to other places.",
            "与策略“{other}”矛盾：一方要求至少保存 {min_days} 天，另一方最多允许 {max_days} 天。"
            "请修改其中之一，或缩小其适用范围。",
        ),
        "retention.basis_required": (
            "Say on which law, contract or decision this rests.",
            "请写明依据：法律、合同或决定。",
        ),
        "retention.hold_too_long": (
            "A hold ends within 180 days; it can be renewed.",
            "留存锁定最长 180 天，到期前可续期。",
        ),
        "retention.hold_ended": ("This hold has ended.", "该留存锁定已结束。"),
        "retention.hold_range": ("The end must be after the beginning.", "结束时间必须晚于开始时间。"),
        "retention.hold_quota": (
            "Holds may take {quota_pct} % of the disks. With this one they would take {wanted_gb} GB of the "
            "{allowed_gb} GB allowed. Release a hold, narrow this one, or add disks.",
            "留存锁定最多可占磁盘的 {quota_pct}%。加上此项将占 {wanted_gb} GB，超过允许的 {allowed_gb} GB。"
            "请释放其他锁定、缩小此项范围或增加磁盘。",
        ),
        "retention.proof_large": (
            "That are too many camera-days: ask for fewer days or one jurisdiction.",
            "摄像机日数过多，请缩短日期范围或按辖区查询。",
        ),
        "retention.no_camera": ("Choose at least one camera.", "请至少选择一台摄像机。"),
        "recording.at_floor": (
            "The disk {volume} is {used_pct} % full, and what is left must be kept by law or policy. "
            "If nothing is done, recording stops, the least important cameras first.",
            "磁盘 {volume} 已用 {used_pct}%，剩余录像均在最短保存期内，不得删除。"
            "若不处理，将从最不重要的摄像机开始停止录像。",
        ),
        "recording.only_held": (
            "The disk {volume} is {used_pct} % full, and all that could be deleted is held. "
            "If nothing is done, recording stops, the least important cameras first.",
            "磁盘 {volume} 已用 {used_pct}%，可删除的录像均被留存锁定。若不处理，将从最不重要的摄像机开始停止录像。",
        ),
        "recording.stopped_for_space": (
            "Recording of {cameras} cameras (priority {priority}) on the disk {volume} was stopped: "
            "no space that may be used is left.",
            "磁盘 {volume} 无可用空间，已停止 {cameras} 台摄像机（优先级 {priority}）的录像。",
        ),
        "recording.filling": (
            "In about {hours} hours no space that may be used is left on the disk {volume}.",
            "约 {hours} 小时后，磁盘 {volume} 将无可用空间。",
        ),
        "recording.cannot_delete": (
            "Recordings whose time is up cannot be deleted from the disk {volume}: {reason}",
            "磁盘 {volume} 上到期的录像无法删除：{reason}",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. An empty `jurisdiction_code` is the whole house, an empty `place_class` any class.

    `hot_days`: after so many days recordings move to the far tier; None says nothing of it.
    """

    id: str
    name: str
    min_days: int
    basis: str
    max_days: int | None = None
    jurisdiction_code: str = ""
    place_class: str = ""
    changed_at: datetime | None = None
    version: int = 1
    hot_days: int | None = None

    def applies(self, jurisdiction_code: str, place_class: str) -> bool:
        """Say whether it applies to a camera of that code whose place is of that class."""
        return jurisdiction_code.startswith(self.jurisdiction_code) and self.place_class in ("", place_class)

    def meets(self, other: Policy) -> bool:
        """Say whether some camera could be under both."""
        ours, theirs = self.jurisdiction_code, other.jurisdiction_code
        same_place = not self.place_class or not other.place_class or self.place_class == other.place_class
        return same_place and (ours.startswith(theirs) or theirs.startswith(ours))

    def form(self) -> dict[str, object]:
        """Return it as the API shows it, without the id of its jurisdiction."""
        return {
            "id": self.id,
            "name": self.name,
            "jurisdiction_code": self.jurisdiction_code,
            "place_class": self.place_class,
            "min_days": self.min_days,
            "max_days": self.max_days,
            "hot_days": self.hot_days,
            "basis": self.basis,
            "changed_at": None if self.changed_at is None else iso(self.changed_at),
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long recordings of one camera are kept, and near: floor, ceiling and days near with the policy of each."""

    floor: Policy | None = None
    ceiling: Policy | None = None
    near: Policy | None = None

    @property
    def hot_days(self) -> int | None:
        """Days after which recordings move to the far tier; None when no policy says."""
        return None if self.near is None else self.near.hot_days

    @property
    def floor_days(self) -> int:
        """Days below which nothing is deleted; 0 without a policy."""
        return 0 if self.floor is None else self.floor.min_days

    @property
    def ceiling_days(self) -> int | None:
        """Days after which all is deleted; None without a policy that says so."""
        return None if self.ceiling is None else self.ceiling.max_days

    @property
    def is_none(self) -> bool:
        """True when no policy applies."""
        return self.floor is None and self.ceiling is None


NO_KEEPING: Final = Keeping()


def keeping(policies: Iterable[Policy], jurisdiction_code: str, place_class: str) -> Keeping:
    """Return the most demanding of the policies that apply to a camera."""
    floor: Policy | None = None
    ceiling: Policy | None = None
    near: Policy | None = None
    for policy in policies:
        if not policy.applies(jurisdiction_code, place_class):
            continue
        if floor is None or policy.min_days > floor.min_days:
            floor = policy
        if policy.max_days is not None and (
            ceiling is None or ceiling.max_days is None or policy.max_days < ceiling.max_days
        ):
            ceiling = policy
        if policy.hot_days is not None and (near is None or near.hot_days is None or policy.hot_days > near.hot_days):
            near = policy
    return Keeping(floor, ceiling, near)


def check_contradiction(policy: Policy, others: Iterable[Policy]) -> None:
    """Let a policy pass that agrees with all others. Errors: CONFLICT naming the other policy; INVALID in itself."""
    if policy.max_days is not None and policy.min_days > policy.max_days:
        raise TocsinError(
            ErrorCode.INVALID,
            f"at least {policy.min_days} and at most {policy.max_days} days cannot both hold",
            key="retention.min_over_max",
            field="max_days",
            min_days=policy.min_days,
            max_days=policy.max_days,
        )
    for other in others:
        if other.id == policy.id or not policy.meets(other):
            continue
        for low, high in ((policy, other), (other, policy)):
            if high.max_days is not None and low.min_days > high.max_days:
                raise TocsinError(
                    ErrorCode.CONFLICT,
                    f"the policy {other.name!r} contradicts: at least {low.min_days} days, at most {high.max_days}",
                    key="retention.contradicts",
                    field="min_days" if low is policy else "max_days",
                    other=other.name,
                    other_id=other.id,
                    min_days=low.min_days,
                    max_days=high.max_days,
                )


def _days(low: int) -> fields.Rule:
    def _rule(field: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MAX_DAYS:
            raise refuse(
                field,
                "registry.field_number",
                f"{field} must be a whole number from {low} to {MAX_DAYS}",
                low=low,
                high=MAX_DAYS,
            )
        return value

    return _rule


def _optional_days(low: int) -> fields.Rule:
    return lambda field, value: None if value is None else _days(low)(field, value)


_RULES: Final = {
    "name": fields.text(100, required=True),
    "min_days": _days(0),
    "max_days": _optional_days(1),
    "hot_days": _optional_days(0),
    "basis": fields.text(500, required=True),
    "place_class": fields.choice("", *PLACE_CLASSES),
}


def new_policy(policy_id: str, given: Mapping[str, Any], jurisdiction_code: str, now: datetime) -> Policy:
    """Return a policy as entered. Errors: INVALID naming the field."""
    fields.require(given, "name", "basis")
    values = fields.read(given, _RULES)
    values.setdefault("min_days", 0)
    return Policy(id=policy_id, jurisdiction_code=jurisdiction_code, changed_at=now, **values)


def changed_policy(policy: Policy, given: Mapping[str, Any], jurisdiction_code: str, now: datetime) -> Policy:
    """Return it with changes. Errors: INVALID naming the field."""
    values = fields.read(given, _RULES)
    return replace(policy, jurisdiction_code=jurisdiction_code, changed_at=now, **values)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A policy an administrator may adopt, with its basis in both languages."""

    key: str
    name_en: str
    name_zh: str
    min_days: int
    max_days: int | None
    basis_en: str
    basis_zh: str
    place_class: str = ""

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "key": self.key,
            "name_en": self.name_en,
            "name_zh": self.name_zh,
            "min_days": self.min_days,
            "max_days": self.max_days,
            "basis_en": self.basis_en,
            "basis_zh": self.basis_zh,
            "place_class": self.place_class,
        }


# Source: governance reference 1.1 and 1.2. A ceiling is a choice of the house where the law names none: "delete those
# whose purpose is fulfilled" after 30 days.
SUGGESTIONS: Final = (
    Suggestion(
        "public_place",
        "Public places: 30 to 90 days",
        "公共场所：30 至 90 天",
        30,
        90,
        "State Council decree 799, art. 17: at least 30 days, then delete what has served its purpose; "
        "Personal Information Protection Law, art. 19: the shortest time needed",
        "《公共安全视频图像信息系统管理条例》（国令第799号）第十七条：不少于30日，期满且目的已实现的应当删除；"
        "《个人信息保护法》第十九条：必要的最短时间",
    ),
    Suggestion(
        "key_target",
        "Key targets of counter-terrorism: 90 days",
        "防范恐怖袭击重点目标：90 天",
        90,
        None,
        "Counter-Terrorism Law, art. 32: images are kept at least 90 days",
        "《反恐怖主义法》第三十二条：采集的视频图像信息保存期限不得少于90日",
    ),
    Suggestion(
        "security_service",
        "Security services: 30 days",
        "保安服务：30 天",
        30,
        None,
        "Security Service Regulations, art. 25: footage and alarm records are kept at least 30 days",
        "《保安服务管理条例》第二十五条：监控影像资料、报警记录应当至少留存30日备查",
    ),
    Suggestion(
        "eu_short",
        "European Union: at most 3 days",
        "欧盟：最多 3 天",
        0,
        3,
        "GDPR art. 5(1)(e); EDPB Guidelines 3/2019: keeping longer than 72 hours needs its own reasons",
        "《通用数据保护条例》第5条第1款(e)；EDPB 3/2019号指南：保存超过72小时需另行说明理由",
    ),
)
