"""The unit of work: what one use case sees of the database, and what it leaves for audit and feed.

A group holds many use cases. Each runs in a savepoint; their audit entries and announcements get their numbers, hashes
and `seq` once, at the end of the group, under one row lock, so that readers never see a gap filled later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, bindparam, literal_column, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import to_us
from tocsin.domain.audit import AuditEntry, link
from tocsin.domain.store import Fact, FeedEntry
from tocsin.storage.bulk import Bulk, Question
from tocsin.storage.tables_proof import audit, chain, outbox

if TYPE_CHECKING:
    from tocsin.storage.accounts import AccountRepository
    from tocsin.storage.alarms import AlarmRepository
    from tocsin.storage.attempts import AttemptRepository
    from tocsin.storage.audit import AuditRepository
    from tocsin.storage.camera_groups import CameraGroupRepository
    from tocsin.storage.camera_tree import TreeRepository
    from tocsin.storage.cascade import CascadeRepository
    from tocsin.storage.channel_health import ChannelHealthRepository
    from tocsin.storage.clips import ClipRepository
    from tocsin.storage.control import ControlRepository
    from tocsin.storage.device_acts import DeviceActRepository
    from tocsin.storage.devices import DeviceRepository
    from tocsin.storage.downloads import DownloadRepository
    from tocsin.storage.imports import ImportRepository
    from tocsin.storage.incidents import IncidentRepository
    from tocsin.storage.intercoms import IntercomRepository
    from tocsin.storage.kept_segments import KeptRepository
    from tocsin.storage.layouts import LayoutRepository
    from tocsin.storage.ledger import LedgerRepository
    from tocsin.storage.load import LoadRepository
    from tocsin.storage.message_marks import MarkRepository
    from tocsin.storage.notices import NoticeRepository
    from tocsin.storage.outbox import OutboxRepository
    from tocsin.storage.pictures import PictureRepository
    from tocsin.storage.places import PlaceRepository
    from tocsin.storage.plans import PlanRepository
    from tocsin.storage.profiles import ProfileRepository
    from tocsin.storage.quarantine import QuarantineRepository
    from tocsin.storage.recorder_plans import RecorderPlanRepository
    from tocsin.storage.retention import RetentionRepository
    from tocsin.storage.rules import RuleRepository
    from tocsin.storage.segment_moves import MoveRepository
    from tocsin.storage.segments import SegmentRepository
    from tocsin.storage.signals import SignalRepository
    from tocsin.storage.snapshots import SnapshotRepository
    from tocsin.storage.speeches import SpeechRepository
    from tocsin.storage.supervision import SupervisionRepository
    from tocsin.storage.terminals import TerminalRepository
    from tocsin.storage.units import UnitRepository
    from tocsin.storage.users import UserRepository
    from tocsin.storage.views import ViewRepository
    from tocsin.storage.watch import WatchRepository
    from tocsin.storage.zone_tests import ZoneTestRepository

_encode = msgspec.json.Encoder().encode
_AUDIT = Bulk.into(
    audit,
    (
        "seq", "at_us", "actor_kind", "actor_id", "action", "subject_kind", "subject_id", "jurisdiction_code",
        "outcome", "detail", "prev_hash", "hash",
    ),
)  # fmt: skip
_IS_HEAD = chain.c.id == literal_column("1")
_CHAIN = Question(select(chain.c.audit_seq, chain.c.audit_hash, chain.c.feed_seq).where(_IS_HEAD).with_for_update())
_ADVANCE = Bulk(
    update(chain)
    .where(_IS_HEAD)
    .values(audit_seq=bindparam("b_audit_seq"), audit_hash=bindparam("b_audit_hash"), feed_seq=bindparam("b_feed_seq")),
    ("b_audit_seq", "b_audit_hash", "b_feed_seq"),
)
_OUTBOX = Bulk.into(outbox, ("seq", "at_us", "type", "subject_id", "jurisdiction_code", "permission", "data"))


@dataclass(frozen=True, slots=True)
class Announcement:
    """One committed change, numbered: what the feed sends. `data` is JSON, encoded once for every listener."""

    seq: int
    at_us: int
    type: str
    subject_id: str
    jurisdiction_code: str
    permission: str
    data: bytes


class Transaction:
    """The database as one use case sees it. Repositories hang off it; `record` leaves proof beside the rows."""

    def __init__(self, connection: Connection, now: datetime, *, read_only: bool = False) -> None:
        self.connection = connection
        self.now = now
        self._read_only = read_only
        self._audit: list[AuditEntry] = []
        self._feed: list[FeedEntry] = []

    # --- proof and announcements ---

    def record(self, fact: Fact) -> None:
        """Write a fact to audit and outbox in this transaction."""
        entry = fact.audit()
        if entry is not None:
            self._audit.append(entry)
        self._feed.extend(fact.feed())

    def record_many(self, facts: Iterable[Fact]) -> None:
        """Write facts in order."""
        for fact in facts:
            self.record(fact)

    def audit_entry(self, entry: AuditEntry) -> None:
        """Write an audit entry alone."""
        self._audit.append(entry)

    def announce(self, entry: FeedEntry) -> None:
        """Write a feed entry alone."""
        self._feed.append(entry)

    def mark(self) -> tuple[int, int]:
        """Return the place to rewind to when the savepoint is rolled back."""
        return len(self._audit), len(self._feed)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what a failed use case recorded."""
        del self._audit[mark[0] :]
        del self._feed[mark[1] :]

    def finish(self) -> tuple[tuple[int, str] | None, list[Announcement]]:
        """Number and chain everything recorded; return the new audit head (None without records) and the feed."""
        if self._read_only and (self._audit or self._feed):
            raise TocsinError(ErrorCode.INVALID, "a read must not record facts")
        if not self._audit and not self._feed:
            return None, []
        [(audit_seq, audit_hash, feed_seq)] = _CHAIN.ask(self.connection)
        records = []
        for entry in self._audit:
            audit_seq += 1
            record = link(entry, audit_seq, audit_hash)
            audit_hash = str(record[-1])
            records.append(record)
        _AUDIT.run(self.connection, records)
        rows = []
        for item in _latest(self._feed):
            feed_seq += 1
            rows.append(
                (
                    feed_seq,
                    to_us(item.at),
                    item.type,
                    item.subject_id,
                    item.jurisdiction_code,
                    item.permission,
                    _encode(item.data),
                )
            )
        _OUTBOX.run(self.connection, rows)
        announcements = [Announcement(*row) for row in rows]
        _ADVANCE.run(self.connection, [(audit_seq, audit_hash, feed_seq)])
        return ((audit_seq, audit_hash) if records else None), announcements

    # --- repositories, one per aggregate ---

    @cached_property
    def signals(self) -> SignalRepository:
        from tocsin.storage.signals import SignalRepository

        return SignalRepository(self.connection)

    @cached_property
    def marks(self) -> MarkRepository:
        """Messages that were taken before."""
        from tocsin.storage.message_marks import MarkRepository

        return MarkRepository(self.connection)

    @cached_property
    def alarms(self) -> AlarmRepository:
        from tocsin.storage.alarms import AlarmRepository

        return AlarmRepository(self.connection)

    @cached_property
    def incidents(self) -> IncidentRepository:
        from tocsin.storage.incidents import IncidentRepository

        return IncidentRepository(self.connection)

    @cached_property
    def imports(self) -> ImportRepository:
        """What was entered from files in the last day."""
        from tocsin.storage.imports import ImportRepository

        return ImportRepository(self.connection)

    @cached_property
    def plans(self) -> PlanRepository:
        from tocsin.storage.plans import PlanRepository

        return PlanRepository(self.connection)

    @cached_property
    def units(self) -> UnitRepository:
        from tocsin.storage.units import UnitRepository

        return UnitRepository(self.connection)

    @cached_property
    def supervision(self) -> SupervisionRepository:
        """Paths of devices, our own silences, outages."""
        from tocsin.storage.supervision import SupervisionRepository

        return SupervisionRepository(self.connection)

    @cached_property
    def terminals(self) -> TerminalRepository:
        """JT/T 808 terminals and the positions of units on duty."""
        from tocsin.storage.terminals import TerminalRepository

        return TerminalRepository(self.connection)

    @cached_property
    def intercoms(self) -> IntercomRepository:
        """Calls of door intercoms."""
        from tocsin.storage.intercoms import IntercomRepository

        return IntercomRepository(self.connection)

    @cached_property
    def accounts(self) -> AccountRepository:
        """Accounts of alarm devices: contacts, notes, floor plans, passwords."""
        from tocsin.storage.accounts import AccountRepository

        return AccountRepository(self.connection)

    @cached_property
    def downloads(self) -> DownloadRepository:
        from tocsin.storage.downloads import DownloadRepository

        return DownloadRepository(self.connection)

    @cached_property
    def layouts(self) -> LayoutRepository:
        from tocsin.storage.layouts import LayoutRepository

        return LayoutRepository(self.connection)

    @cached_property
    def views(self) -> ViewRepository:
        from tocsin.storage.views import ViewRepository

        return ViewRepository(self.connection)

    @cached_property
    def recorder_plans(self) -> RecorderPlanRepository:
        """What is to be recorded."""
        from tocsin.storage.recorder_plans import RecorderPlanRepository

        return RecorderPlanRepository(self.connection)

    @cached_property
    def segments(self) -> SegmentRepository:
        """What is recorded: volumes, segments, gaps and coverage."""
        from tocsin.storage.segments import SegmentRepository

        return SegmentRepository(self.connection)

    @cached_property
    def retention(self) -> RetentionRepository:
        """Policies, holds, tombstones, read leases."""
        from tocsin.storage.retention import RetentionRepository

        return RetentionRepository(self.connection)

    @cached_property
    def load(self) -> LoadRepository:
        """What the measures of alarm load read."""
        from tocsin.storage.load import LoadRepository

        return LoadRepository(self.connection)

    @cached_property
    def ledger(self) -> LedgerRepository:
        """The way of signals: answers, repetitions, pushes."""
        from tocsin.storage.ledger import LedgerRepository

        return LedgerRepository(self.connection)

    @cached_property
    def zone_tests(self) -> ZoneTestRepository:
        """Installers' tests of zones."""
        from tocsin.storage.zone_tests import ZoneTestRepository

        return ZoneTestRepository(self.connection)

    @cached_property
    def rules(self) -> RuleRepository:
        """Rules between signals and alarms, and what they did."""
        from tocsin.storage.rules import RuleRepository

        return RuleRepository(self.connection)

    @cached_property
    def watch(self) -> WatchRepository:
        """Hours of premises and permits to be on test."""
        from tocsin.storage.watch import WatchRepository

        return WatchRepository(self.connection)

    @cached_property
    def moves(self) -> MoveRepository:
        """Segments on their way between volumes."""
        from tocsin.storage.segment_moves import MoveRepository

        return MoveRepository(self.connection)

    @cached_property
    def quarantine(self) -> QuarantineRepository:
        """What nobody understood, and what people said it means."""
        from tocsin.storage.quarantine import QuarantineRepository

        return QuarantineRepository(self.connection)

    @cached_property
    def kept(self) -> KeptRepository:
        """What retention asks of the index of segments."""
        from tocsin.storage.kept_segments import KeptRepository

        return KeptRepository(self.connection)

    @cached_property
    def snapshots(self) -> SnapshotRepository:
        """Pictures that cameras uploaded on request."""
        from tocsin.storage.snapshots import SnapshotRepository

        return SnapshotRepository(self.connection)

    @cached_property
    def pictures(self) -> PictureRepository:
        """Whether pictures are pictures: states, stills, denials."""
        from tocsin.storage.pictures import PictureRepository

        return PictureRepository(self.connection)

    @cached_property
    def clips(self) -> ClipRepository:
        """What linked cameras saw around alarms."""
        from tocsin.storage.clips import ClipRepository

        return ClipRepository(self.connection)

    @cached_property
    def device_acts(self) -> DeviceActRepository:
        """Acts that cannot be taken back: erased cards, firmware."""
        from tocsin.storage.device_acts import DeviceActRepository

        return DeviceActRepository(self.connection)

    @cached_property
    def speeches(self) -> SpeechRepository:
        """Voice lines through cameras."""
        from tocsin.storage.speeches import SpeechRepository

        return SpeechRepository(self.connection)

    @cached_property
    def control(self) -> ControlRepository:
        """Sessions of camera control and presets."""
        from tocsin.storage.control import ControlRepository

        return ControlRepository(self.connection)

    @cached_property
    def cascade(self) -> CascadeRepository:
        """Upper platforms."""
        from tocsin.storage.cascade import CascadeRepository

        return CascadeRepository(self.connection)

    @cached_property
    def places(self) -> PlaceRepository:
        """Jurisdictions and places."""
        from tocsin.storage.places import PlaceRepository

        return PlaceRepository(self.connection)

    @cached_property
    def devices(self) -> DeviceRepository:
        """Devices, their zones, channels, links and faults."""
        from tocsin.storage.devices import DeviceRepository

        return DeviceRepository(self.connection)

    @cached_property
    def tree(self) -> TreeRepository:
        """What the trees of cameras are made of."""
        from tocsin.storage.camera_tree import TreeRepository

        return TreeRepository(self.connection)

    @cached_property
    def groups(self) -> CameraGroupRepository:
        """People's own groups of cameras."""
        from tocsin.storage.camera_groups import CameraGroupRepository

        return CameraGroupRepository(self.connection)

    @cached_property
    def profiles(self) -> ProfileRepository:
        """What was found of devices, and guesses by make."""
        from tocsin.storage.profiles import ProfileRepository

        return ProfileRepository(self.connection)

    @cached_property
    def health(self) -> ChannelHealthRepository:
        """How channels are doing, their faults and measures."""
        from tocsin.storage.channel_health import ChannelHealthRepository

        return ChannelHealthRepository(self.connection)

    @cached_property
    def attempts(self) -> AttemptRepository:
        """Step timelines and devices that knock."""
        from tocsin.storage.attempts import AttemptRepository

        return AttemptRepository(self.connection)

    @cached_property
    def users(self) -> UserRepository:
        """Users and their sessions."""
        from tocsin.storage.users import UserRepository

        return UserRepository(self.connection)

    @cached_property
    def notices(self) -> NoticeRepository:
        from tocsin.storage.notices import NoticeRepository

        return NoticeRepository(self.connection)

    @cached_property
    def audit(self) -> AuditRepository:
        from tocsin.storage.audit import AuditRepository

        return AuditRepository(self.connection)

    @cached_property
    def outbox(self) -> OutboxRepository:
        from tocsin.storage.outbox import OutboxRepository

        return OutboxRepository(self.connection)


def _latest(entries: list[FeedEntry]) -> list[FeedEntry]:
    """Keep only the last `*.changed` of each subject in a group: a console needs the newest state, not each step."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for entry in reversed(entries):
        if entry.type.endswith(".changed"):
            key = (entry.type, entry.subject_id)
            if key in seen:
                continue
            seen.add(key)
        kept.append(entry)
    kept.reverse()
    return kept
