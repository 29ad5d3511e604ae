"""The account of an alarm device: how to get in, whom to call, what responders must know, floor plans, passwords.

Pure rules; its id is its device's. Design note 0028.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, ClassVar, Final
from zlib import crc32

from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.devices import Device, Zone
from tocsin.domain.dispositions import Choice
from tocsin.domain.fields import refuse
from tocsin.domain.places import Place

MAX_CONTACTS: Final = 30
MAX_NOTES: Final = 30
MAX_PLANS: Final = 20
MAX_PASSWORDS: Final = 10
MAX_LANGUAGES: Final = 6
MAX_PLAN_BYTES: Final = 8 * 1024 * 1024
MAX_PLAN_PIXELS: Final = 40_000_000
LONGEST_NOTE: Final = timedelta(days=366)
REVIEW_AFTER_DAYS: Final = 365
REVIEW_MOST_DAYS: Final = 731
LONGEST_END_DAYS: Final = 3660
WRONG_MOST: Final = 5
WRONG_WITHIN: Final = timedelta(minutes=10)
SHORTEST_PASSWORD: Final = 3
CONTACT_ROLES: Final = (
    Choice("key_holder", "Key-holder", "钥匙持有人"),
    Choice("manager", "Manager", "负责人"),
    Choice("owner", "Owner", "业主"),
    Choice("guard", "Guard", "保安"),
    Choice("neighbour", "Neighbour", "邻居"),
    Choice("technician", "Technician", "维保人员"),
    Choice("other", "Other", "其他"),
)
NO_ACCOUNT: Final = "platform"
_PHONE: Final = re.compile(r"[0-9+()\-#*,; ]{3,40}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,8})?")
_TIME: Final = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_IDENTITY: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")

WORDS: Final = Words(
    {
        "account.none": (
            "A platform is no alarm device and has no account.",
            "平台不是报警设备，没有用户档案。",
        ),
        "account.phone_form": (
            "A telephone number has digits, spaces and + - ( ) # * only.",
            "电话号码只能包含数字、空格和 + - ( ) # *。",
        ),
        "account.language_form": (
            "A language is written as zh, en, ug, zh-yue; at most six.",
            "语言请写成 zh、en、ug、zh-yue 等，最多六种。",
        ),
        "account.identity": (
            "This looks like an identity number. It is not needed to reach anybody: take it out.",
            "内容疑似身份证号码，联系无需此信息，请删去。",
        ),
        "account.date_form": ("{field} must be a date like 2027-06-30.", "{field} 请写成 2027-06-30 的形式。"),
        "account.date_range": (
            "{field} must lie between {earliest} and {latest}.",
            "{field} 应在 {earliest} 至 {latest} 之间。",
        ),
        "account.full": ("There is room for {most} of them; remove one first.", "最多 {most} 项，请先删除一项。"),
        "account.until": (
            "A note ends in the future, within a year.",
            "提示须有失效时间，且在一年以内。",
        ),
        "account.until_form": (
            "{field} must be a time like 2027-06-30 18:00, or a day, which counts to its end.",
            "{field} 请写成 2027-06-30 18:00，或只写日期（至当日结束）。",
        ),
        "account.plan_form": (
            "A floor plan is a PNG or JPEG picture of at most 8 MiB and 40 million pixels.",
            "平面图须为 PNG 或 JPEG 图片，不超过 8 MiB、4000 万像素。",
        ),
        "account.password_short": (
            "A password has 3 to 64 letters or digits.",
            "口令为 3 至 64 个字符。",
        ),
        "account.password_used": (
            "This account has this password already.",
            "该档案已有此口令。",
        ),
        "account.closed": (
            "Five wrong answers within ten minutes: passwords of this account are not checked for a while. Verify in "
            "another way.",
            "十分钟内五次口令错误，该档案的口令核对暂停。请改用其他方式核实。",
        ),
        "account.order": ("The order must name every contact once.", "排序须包含每位联系人且各一次。"),
        "account.not_of_incident": (
            "This account has no alarm in that incident.",
            "该档案没有此警情中的报警。",
        ),
    }
)


class CallOutcome(StrEnum):
    """What came of calling a contact."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    WRONG_NUMBER = "wrong_number"


CALL_OUTCOMES: Final = (
    Choice(CallOutcome.ANSWERED, "Answered", "已接听"),
    Choice(CallOutcome.NO_ANSWER, "No answer", "无人接听"),
    Choice(CallOutcome.BUSY, "Busy", "占线"),
    Choice(CallOutcome.UNREACHABLE, "Unreachable", "无法接通"),
    Choice(CallOutcome.WRONG_NUMBER, "Wrong number", "号码有误"),
)


class CheckResult(StrEnum):
    """What came of checking a password. `closed`: not compared, too many wrong ones before."""

    RIGHT = "right"
    WRONG = "wrong"
    DURESS = "duress"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks of passwords since the last right one: how many, since when."""

    wrong: int = 0
    since: datetime | None = None

    def closed_until(self, now: datetime) -> datetime | None:
        """Return until when nothing is checked; None while it is."""
        if self.since is None or self.wrong < WRONG_MOST or now >= self.since + WRONG_WITHIN:
            return None
        return self.since + WRONG_WITHIN

    def counted(self, now: datetime) -> Checks:
        """Return it with one more, counted as wrong until it proves right."""
        if self.since is None or now >= self.since + WRONG_WITHIN:
            return Checks(1, now)
        return replace(self, wrong=self.wrong + 1)


@dataclass(frozen=True, slots=True)
class Account:
    """What is kept of an account beside its parts. `owner` empty: the place's."""

    device_id: str
    owner: str = ""
    access: str = ""
    checks: Checks = Checks()
    version: int = 1

    @property
    def id(self) -> str:
        """Its device's."""
        return self.device_id


@dataclass(frozen=True, slots=True)
class AccountContact:
    """Whom to call, `rank` from 1 in that order. `review_on`: to be looked at again by then; `ends_on`: gone after."""

    id: str
    device_id: str
    rank: int
    name: str
    role: str
    phone: str
    review_on: date
    languages: tuple[str, ...] = ()
    note: str = ""
    ends_on: date | None = None
    version: int = 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "rank": self.rank,
            "name": self.name,
            "role": self.role,
            "phone": self.phone,
            "languages": list(self.languages),
            "note": self.note,
            "review_on": self.review_on.isoformat(),
            "ends_on": None if self.ends_on is None else self.ends_on.isoformat(),
            "version": self.version,
        }

    def is_over(self, today: date) -> bool:
        """Say whether its end has passed."""
        return self.ends_on is not None and today > self.ends_on


@dataclass(frozen=True, slots=True)
class ResponderNote:
    """What a responder must know until a time."""

    id: str
    device_id: str
    text: str
    until: datetime
    made_at: datetime
    made_by: str
    made_by_name: str = ""

    @property
    def version(self) -> int:
        """A number that is another when it ends at another time."""
        return crc32(f"{self.until.timestamp()}".encode()) >> 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "text": self.text,
            "until": iso(self.until),
            "at": iso(self.made_at),
            "by": self.made_by_name or self.made_by,
        }


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """A picture of the premises from above; `form` is png or jpeg."""

    id: str
    device_id: str
    name: str
    form_: str
    width_px: int
    height_px: int
    size_bytes: int
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return plan_file(self.id, self.form_)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class ZonePoint:
    """Where a zone is on a plan: shares of its width and height from the upper left corner."""

    zone_id: str
    plan_id: str
    x: float
    y: float

    @property
    def id(self) -> str:
        """Its zone's."""
        return self.zone_id

    @property
    def version(self) -> int:
        """A number that is another when the zone stands elsewhere."""
        return crc32(f"{self.plan_id} {self.x} {self.y}".encode()) >> 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {"plan_id": self.plan_id, "x": self.x, "y": self.y}


@dataclass(frozen=True, slots=True)
class PremisesPassword:
    """A word that somebody on the premises knows; only its hash is kept."""

    id: str
    device_id: str
    label: str
    is_duress: bool
    hash: str
    ends_on: date | None = None
    version: ClassVar[int] = 1  # never changed: another takes its place

    def form(self) -> dict[str, object]:
        """Return it as the API shows it, without the hash."""
        return {
            "id": self.id,
            "label": self.label,
            "is_duress": self.is_duress,
            "ends_on": None if self.ends_on is None else self.ends_on.isoformat(),
        }

    def is_over(self, today: date) -> bool:
        """Say whether its end has passed."""
        return self.ends_on is not None and today > self.ends_on


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as it is shown: contacts and passwords are counted, never named."""

    device: Device
    place: Place | None
    account: Account
    contacts: int
    due: int
    passwords: int
    notes: tuple[ResponderNote, ...]
    plans: tuple[FloorPlan, ...]
    zones: tuple[Zone, ...]
    points: Mapping[str, ZonePoint]

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        device, place = self.device, self.place
        known = device.form()
        return {
            "id": device.id,
            "name": device.name,
            "name_en": device.name_en,
            "kind": device.kind,
            "protocol": device.protocol,
            "address": known["address"],
            "state": known["state"],
            "place": None if place is None else _premises(place),
            "owner": self.account.owner,
            "access": self.account.access,
            "contacts": self.contacts,
            "contacts_due": self.due,
            "passwords": self.passwords,
            "notes": [note.form() for note in self.notes],
            "plans": [plan.form() for plan in self.plans],
            "zones": [
                {**zone.form(), "point": point.form() if (point := self.points.get(zone.id)) else None}
                for zone in self.zones
            ],
            "version": self.account.version,
            "retired": device.retired_at is not None,
        }


def _premises(place: Place) -> dict[str, object]:
    kept = ("id", "name", "name_en", "class", "address", "owner", "lon", "lat", "notes")
    return {name: value for name, value in place.form().items() if name in kept}


def plan_file(plan_id: str, form: str) -> str:
    """Return the name of the file of a floor plan."""
    return f"{plan_id}.{'png' if form == 'png' else 'jpg'}"


# --- what people may enter ---


def plain_text(limit: int, *, required: bool = False) -> fields.Rule:
    """Text without identity numbers. Source: governance reference, REQ-G52."""
    base = fields.text(limit, required=required)

    def _rule(field: str, value: Any) -> str:
        kept: str = base(field, value)
        if _IDENTITY.search(kept):
            raise refuse(field, "account.identity", f"{field} holds what looks like an identity number")
        return kept

    return _rule


def _phone(field: str, value: Any) -> str:
    kept = unicodedata.normalize("NFKC", value).strip() if isinstance(value, str) else ""
    if not _PHONE.fullmatch(kept) or not any(c.isdigit() for c in kept):
        raise refuse(field, "account.phone_form", "a telephone number has digits, spaces and + - ( ) # * only")
    return kept


def _languages(field: str, value: Any) -> tuple[str, ...]:
    given = tuple(value) if isinstance(value, list | tuple) else ()
    is_wrong = not isinstance(value, list | tuple) or len(given) > MAX_LANGUAGES
    if is_wrong or not all(isinstance(one, str) and _LANGUAGE.fullmatch(one) for one in given):
        raise refuse(field, "account.language_form", f"{field} must be a list of language tags")
    return tuple(dict.fromkeys(given))


def _day(field: str, value: Any) -> date | None:
    if value in (None, ""):
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise refuse(field, "account.date_form", f"{field} is no date") from error


def _share(field: str, value: Any) -> float:
    kept: float = fields.number(0, 1, optional=False)(field, value)
    return round(kept, 6)


_ACCOUNT_RULES: Final[Mapping[str, fields.Rule]] = {"owner": fields.text(200), "access": plain_text(4000)}
_CONTACT_RULES: Final[Mapping[str, fields.Rule]] = {
    "name": plain_text(100, required=True),
    "role": fields.choice(*(one.key for one in CONTACT_ROLES)),
    "phone": _phone,
    "languages": _languages,
    "note": plain_text(300),
    "review_on": _day,
    "ends_on": _day,
}
_POINT_RULES: Final[Mapping[str, fields.Rule]] = {"plan_id": fields.text(36, required=True), "x": _share, "y": _share}


def changed_account(account: Account, changes: Mapping[str, Any]) -> Account:
    """Return it with `changes`. Errors: INVALID."""
    return replace(account, **fields.read(changes, _ACCOUNT_RULES))


def new_contact(contact_id: str, device_id: str, rank: int, given: Mapping[str, Any], today: date) -> AccountContact:
    """Return a contact; without `review_on` it is looked at again in a year. Errors: INVALID, naming the field."""
    fields.require(given, "name", "phone")
    values = fields.read({"role": "key_holder", **given}, _CONTACT_RULES)
    values["review_on"] = values.get("review_on") or today + timedelta(days=REVIEW_AFTER_DAYS)
    made = AccountContact(id=contact_id, device_id=device_id, rank=rank, **values)
    _check_days(made, today, ("review_on", "ends_on"))
    return made


def changed_contact(contact: AccountContact, changes: Mapping[str, Any], today: date | None) -> AccountContact:
    """Return it with `changes`; an empty `review_on` is a year from today. Without `today` days are not judged.

    Errors: INVALID.
    """
    values = fields.read(changes, _CONTACT_RULES)
    if "review_on" in values and values["review_on"] is None:
        values["review_on"] = contact.review_on if today is None else today + timedelta(days=REVIEW_AFTER_DAYS)
    made = replace(contact, **values)
    if today is not None:
        _check_days(made, today, [name for name in ("review_on", "ends_on") if name in values])
    return made


def _check_days(contact: AccountContact, today: date, names: Any) -> None:
    for name, most in (("review_on", REVIEW_MOST_DAYS), ("ends_on", LONGEST_END_DAYS)):
        day = getattr(contact, name)
        if name in names and day is not None:
            check_day(name, day, today, most)


def check_day(field: str, day: date, today: date, most_days: int = LONGEST_END_DAYS) -> None:
    """Let a day pass from today on. Errors: INVALID."""
    latest = today + timedelta(days=most_days)
    if not today <= day <= latest:
        raise refuse(
            field, "account.date_range", f"{field} must lie between {today} and {latest}",
            earliest=today.isoformat(), latest=latest.isoformat(),
        )  # fmt: skip


def new_note(note_id: str, device_id: str, text: str, until: datetime, now: datetime, by: str) -> ResponderNote:
    """Return a note for responders. Errors: INVALID."""
    kept = note_text(text)
    if not now < until <= now + LONGEST_NOTE:
        raise refuse("until", "account.until", "a note ends in the future, within a year")
    return ResponderNote(note_id, device_id, kept, until, now, by)


def note_text(text: str) -> str:
    """Return what a note says. Errors: INVALID."""
    kept: str = plain_text(1000, required=True)("text", text)
    return kept


def note_end(given: str, zone: tzinfo | None) -> datetime:
    """Return when a note ends, as people write it: a time of `zone` unless it says another; a day counts to its end.

    Errors: INVALID.
    """
    match = _TIME.fullmatch(unicodedata.normalize("NFKC", given).strip())
    try:
        if match is None:
            raise ValueError(given[:40])
        year, month, day, hour, minute, second, offset = match.groups()
        local = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        if offset:
            return local.replace(tzinfo=datetime.strptime(offset, "%z").tzinfo)
        if (local.hour, local.minute, local.second) == (0, 0, 0):  # a spreadsheet writes a day so
            local += timedelta(days=1)
        return local.replace(tzinfo=zone) if zone is not None else local.replace(tzinfo=None).astimezone()
    except (ValueError, OverflowError) as error:
        raise refuse("until", "account.until_form", "until is no time like 2027-06-30 18:00") from error


def plan_name(name: str) -> str:
    """Return the name of a floor plan. Errors: INVALID."""
    kept: str = fields.text(100, required=True)("name", name)
    return kept


def zone_point(zone_id: str, given: Mapping[str, Any]) -> ZonePoint:
    """Return where a zone is. Errors: INVALID."""
    fields.require(given, "plan_id", "x", "y")
    return ZonePoint(zone_id=zone_id, **fields.read(given, _POINT_RULES))


def read_day(field: str, value: Any) -> date | None:
    """Return a day, None without one. Errors: INVALID."""
    return _day(field, value)


def as_spoken(word: str) -> str:
    """Return a password as it is compared: case, spaces, full-width forms and punctuation make no difference."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(c for c in folded if c.isalnum())


def checked_password(word: str) -> str:
    """Return a new password as it is compared. Errors: INVALID."""
    spoken = as_spoken(word)
    if not SHORTEST_PASSWORD <= len(spoken) <= 64:
        raise refuse("password", "account.password_short", "a password has 3 to 64 letters or digits")
    return spoken
