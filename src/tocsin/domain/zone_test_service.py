"""Use cases of an installer's test: links to one device, tests begun, watched and ended through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.base.rates import Rates
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission
from tocsin.domain.alarms import zone_key
from tocsin.domain.devices import Device
from tocsin.domain.permit_service import put_on_test, take_off_test
from tocsin.domain.permits import Permit
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.store import Store
from tocsin.domain.users import hash_token
from tocsin.domain.zone_test import (
    LONGEST_LINK,
    LONGEST_TEST,
    MAX_HOLDER_CHARS,
    Arrived,
    TestLink,
    ZoneTest,
    checklist,
    is_shown,
    judge,
    summary_of,
)
from tocsin.domain.zone_test_events import TestLinkMade, TestLinkRevoked, ZoneTestAsked, ZoneTestBegun, ZoneTestEnded

INVITE: Final = Permission.INVITE_TEST
READ: Final = Permission.READ_REGISTRY
MAX_SHOWN: Final = 60
MAX_JUDGED: Final = 2_000
CALLS_PER_S: Final = 3.0
CALLS_BURST: Final = 30.0
WRONG_PER_S: Final = 0.2
WRONG_BURST: Final = 10.0
WORDS: Final = Words(
    {
        "test_link.unknown": (
            "This link opens nothing. Ask whoever sent it for a new one.",
            "链接无效，请向发送者索取新链接。",
        ),
        "test_link.expired": (
            "This link is over since {at}. Ask whoever sent it for a new one.",
            "链接已于 {at} 过期，请向发送者索取新链接。",
        ),
        "test_link.revoked": (
            "This link was withdrawn. Ask whoever sent it for a new one.",
            "链接已被撤回，请向发送者索取新链接。",
        ),
        "test_link.too_many": ("Too many calls; wait {retry_after_s} s.", "操作过于频繁，请等待 {retry_after_s} 秒。"),
        "test_link.kind": (
            "A platform or receiver stands for other devices: make the link for one of those.",
            "平台和接收机代表其他设备，请为具体设备创建链接。",
        ),
        "zone_test.other": (
            "Another link is testing this device; wait until it has ended.",
            "另一链接正在测试该设备，请等待其结束。",
        ),
        "zone_test.none": ("No test is running: begin one first.", "没有进行中的测试，请先开始。"),
        "zone_test.long": ("This test is long: end it and begin another.", "测试记录过多，请结束后重新开始。"),
    }
)
Form = dict[str, object]


class ZoneTestService(UseCases):
    """Links and tests. Whoever holds a link is no user: the link is the permission, and the one who acts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock
        self._calls = Rates(CALLS_PER_S, CALLS_BURST)
        self._wrong = Rates(WRONG_PER_S, WRONG_BURST)

    # --- the house ---

    async def make_link(self, device_id: str, holder: str, hours: int, *, actor: Actor) -> tuple[TestLink, str]:
        """Make a link to the test of one device; return it with its token, which is shown this once.

        Errors: FORBIDDEN, NOT_FOUND, INVALID, CONFLICT for a device that stands for others.
        """
        token = new_token()
        link = await self._act(
            "test_link.made", "device", device_id, actor, _make, device_id, holder, hours, hash_token(token), actor
        )
        return link, token

    async def revoke(self, link_id: str, *, actor: Actor) -> TestLink:
        """Withdraw a link and end its test. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._act("test_link.revoked", "test_link", link_id, actor, _revoke, link_id, actor)

    async def of_device(self, device_id: str, *, actor: Actor) -> tuple[list[Form], list[Form]]:
        """Return the newest links and tests of a device, newest first. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_of_device, device_id, actor)

    async def end_due(self) -> int:
        """End tests whose time is over; return how many. Cheap while none is."""
        if not await self._store.read(lambda tx: bool(tx.zone_tests.due(tx.now, 1))):
            return 0
        return await self._store.run(_end_due)

    # --- the holder of a link ---

    async def state(self, token: str, peer: str) -> Form:
        """Return what the page shows. Errors: UNAUTHENTICATED saying why, TOO_MANY."""
        self._count(token, peer)
        return await self._open(_state, token, peer)

    async def begin(self, token: str, zone: str, peer: str) -> Form:
        """Begin a test, or say which zone is tried next in the one that runs; empty: any.

        Errors: UNAUTHENTICATED, TOO_MANY, NOT_FOUND without such a zone, CONFLICT while another link tests the device.
        """
        self._count(token, peer)
        return await self._open(_begin, token, peer, zone)

    async def end(self, token: str, peer: str) -> Form:
        """End the running test and keep what was seen. Errors: UNAUTHENTICATED, TOO_MANY, CONFLICT without a test."""
        self._count(token, peer)
        return await self._open(_end, token, peer)

    def _count(self, token: str, peer: str) -> None:
        _limit(self._calls.wait_s(hash_token(token), self._clock.monotonic()))

    async def _open(self, work: Any, token: str, peer: str, *args: Any) -> Form:
        link = await self._store.read(lambda tx: tx.zone_tests.link_of(hash_token(token)))
        if link is None:
            _limit(self._wrong.wait_s(peer, self._clock.monotonic()))
            raise TocsinError(ErrorCode.UNAUTHENTICATED, "this link opens nothing", key="test_link.unknown")
        link.check(self._clock.now())
        found: Form
        if work is _state:
            found = await self._store.read(work, link)
        else:
            found = await self._store.run(work, link, *args)
        return found


def _limit(wait_s: float) -> None:
    if wait_s > 0:
        raise TocsinError(
            ErrorCode.TOO_MANY, "too many calls", key="test_link.too_many", retry_after_s=max(1, round(wait_s))
        )


def _make(tx: Any, device_id: str, holder: str, hours: int, token_hash: str, actor: Actor) -> TestLink:
    device: Device = tx.devices.get(device_id, visible_to=require(actor, INVITE))
    if device.kind in ("platform", "receiver"):
        raise TocsinError(ErrorCode.CONFLICT, "this device stands for others", key="test_link.kind")
    if not holder.strip() or len(holder) > MAX_HOLDER_CHARS:
        raise TocsinError(ErrorCode.INVALID, "say who tests", field="holder")
    length = timedelta(hours=hours)
    if not timedelta() < length <= LONGEST_LINK:
        raise TocsinError(ErrorCode.INVALID, "a link is for 1 to 12 hours", field="hours")
    link = TestLink(
        new_id(),
        device.id,
        device.jurisdiction_code,
        holder.strip(),
        tx.now,
        actor.id,
        tx.now + length,
        made_by_name=actor.name,
    )
    tx.zone_tests.add_link(link, token_hash)
    tx.record(
        TestLinkMade(
            subject_id=link.id,
            at=tx.now,
            jurisdiction_code=link.jurisdiction_code,
            actor=actor.ref,
            device_id=device.id,
            expires=link.expires_at,
        )
    )
    return link


def _revoke(tx: Any, link_id: str, actor: Actor) -> TestLink:
    allowed = require(actor, INVITE)
    link: TestLink = tx.zone_tests.link(link_id)
    if not allowed.covers(link.jurisdiction_code):
        raise TocsinError(ErrorCode.NOT_FOUND, f"no link {link_id}")
    if link.revoked_at is not None:
        return link
    tx.zone_tests.revoke(link.id, tx.now)
    tx.record(
        TestLinkRevoked(
            subject_id=link.id,
            at=tx.now,
            jurisdiction_code=link.jurisdiction_code,
            actor=actor.ref,
            device_id=link.device_id,
        )
    )
    test = tx.zone_tests.running(link.device_id)
    if test is not None and test.link_id == link.id:
        _over(tx, test, "revoked", actor.ref)
    return replace(link, revoked_at=tx.now)


def _of_device(tx: Any, device_id: str, actor: Actor) -> tuple[list[Form], list[Form]]:
    tx.devices.get(device_id, visible_to=require(actor, READ))
    links = [link.form() for link in tx.zone_tests.links_of(device_id)]
    return links, [test.form() for test in tx.zone_tests.of_device(device_id)]


def _zones(tx: Any, device_id: str) -> list[tuple[str, str, str]]:
    return [(zone.number, zone.name, zone.name_en) for zone in tx.devices.zones(device_id)]


def _arrived(tx: Any, test: ZoneTest, zones: Sequence[tuple[str, str, str]]) -> list[Arrived]:
    """Return what came during a test, newest first; nothing that tells of duress."""
    until: datetime = test.ended_at or min(test.until, tx.now + timedelta(seconds=1))
    came = [one for one in tx.zone_tests.came(test.device_id, test.begun_at, until, MAX_JUDGED) if is_shown(one[0])]
    alarm_zones = tx.zone_tests.alarm_zones([stored.id for stored, _ in came])
    numbers = [number for number, _, _ in zones]
    return [
        arrived
        for stored, answered_at in came
        for arrived in judge(test, stored, numbers, answered_at=answered_at, alarm_zones=alarm_zones.get(stored.id, ()))
    ]


def _state(tx: Any, link: TestLink) -> Form:
    device: Device = tx.devices.load({link.device_id})[link.device_id]
    zones = _zones(tx, device.id)
    running: ZoneTest | None = tx.zone_tests.running(device.id)
    test = running if running is not None and running.link_id == link.id else None
    last: ZoneTest | None = tx.zone_tests.last_of_link(link.id) if test is None else None
    arrived = _arrived(tx, test, zones) if test is not None else []
    return {
        "device": {"name": device.name, "name_en": device.name_en, "account": device.account},
        "holder": link.holder,
        "now": iso(tx.now),
        "expires_at": iso(link.expires_at),
        "is_taken": running is not None and test is None,
        "zones": checklist(zones, arrived),
        "test": None if test is None else test.form(),
        "last": None if last is None else last.form(),
        "events": [one.form() for one in arrived[:MAX_SHOWN]],
    }


def _begin(tx: Any, link: TestLink, zone: str) -> Form:
    device: Device = tx.devices.load({link.device_id})[link.device_id]
    number = zone_key(zone) if zone else ""
    if number and number not in [known for known, _, _ in _zones(tx, device.id)]:
        raise TocsinError(ErrorCode.NOT_FOUND, f"the device has no zone {number}"[:80])
    running: ZoneTest | None = tx.zone_tests.running(device.id)
    who = ActorRef("link", link.id)
    if running is not None and running.link_id != link.id:
        raise TocsinError(ErrorCode.CONFLICT, "another link tests this device", key="zone_test.other")
    if running is None:
        test = ZoneTest(
            new_id(),
            link.id,
            device.id,
            device.jurisdiction_code,
            link.holder,
            tx.now,
            min(tx.now + LONGEST_TEST, link.expires_at),
        )
        test = replace(test, permit_id=_cover(tx, device, link, test, who)).asking(number, tx.now)
        tx.zone_tests.add(test)
        tx.record(
            ZoneTestBegun(
                subject_id=test.id,
                at=tx.now,
                jurisdiction_code=test.jurisdiction_code,
                actor=who,
                device_id=device.id,
                link_id=link.id,
                until=test.until,
                permit_id=test.permit_id,
            )
        )
    else:
        test = running.asking(number, tx.now)
        tx.zone_tests.save(test)
    tx.record(
        ZoneTestAsked(
            subject_id=test.id,
            at=tx.now,
            jurisdiction_code=test.jurisdiction_code,
            actor=who,
            device_id=device.id,
            zone=number,
        )
    )
    return _state(tx, link)


def _cover(tx: Any, device: Device, link: TestLink, test: ZoneTest, who: ActorRef) -> str:
    """Put the device on test for the time; return the permit, empty when one of somebody else covers it all."""
    if any(
        not one.zones and one.ended_at is None and one.until >= test.until for one in tx.watch.permits_of(device.id)
    ):
        return ""
    permit = Permit(
        id=new_id(),
        device_id=device.id,
        owner=link.holder,
        reason="安装测试 / installer's test",
        begun_at=tx.now,
        until=test.until,
        given_by=link.made_by,
        given_name=link.made_by_name,
    )
    put_on_test(tx, permit, device, who)
    return permit.id


def _end(tx: Any, link: TestLink) -> Form:
    running: ZoneTest | None = tx.zone_tests.running(link.device_id)
    if running is None or running.link_id != link.id:
        raise TocsinError(ErrorCode.CONFLICT, "no test is running", key="zone_test.none")
    _over(tx, running, "hand", ActorRef("link", link.id))
    return _state(tx, link)


def _end_due(tx: Any) -> int:
    due: list[ZoneTest] = tx.zone_tests.due(tx.now)
    for test in due:
        _over(tx, test, "time", SYSTEM)
    return len(due)


def _over(tx: Any, test: ZoneTest, how: str, who: ActorRef) -> None:
    """End a test: what was seen is kept, and its permit ends."""
    zones = _zones(tx, test.device_id)
    arrived = _arrived(tx, test, zones)
    over = replace(test, ended_at=tx.now, how_ended=how, summary=summary_of(zones, arrived))
    tx.zone_tests.save(over)
    if test.permit_id and how != "time":  # the permit ends at the same time, and then says what is left in alarm
        take_off_test(tx, test.permit_id, tx.devices.load({test.device_id})[test.device_id], who)
    tx.record(
        ZoneTestEnded(
            subject_id=test.id,
            at=tx.now,
            jurisdiction_code=test.jurisdiction_code,
            actor=who,
            device_id=test.device_id,
            how=how,
            seen=sum(1 for row in checklist(zones, arrived) if row["times"]),
            zones=len(zones),
        )
    )
