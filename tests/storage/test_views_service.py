from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import ATTIC, BANK_HALL, PEOPLE, WEST_GATE, YARD, build_town, burglary, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.domain.directory import Channel
from tocsin.domain.incident_detail import IncidentFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.incidents import Verdict
from tocsin.domain.intake import Intake
from tocsin.domain.streams import stream_id_of
from tocsin.domain.video import LiveAddress, LiveState
from tocsin.domain.view_service import OpenedView, ViewService
from tocsin.storage.store import AnyStore

LI, WANG, CHIEF, SOUTH = PEOPLE.li, PEOPLE.wang, PEOPLE.chief, PEOPLE.south
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Pictures:
    """A media side that remembers what it was asked."""

    opened: list[tuple[str, str, datetime]] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    renewed: list[tuple[str, datetime]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    async def open_view(
        self,
        *,
        view_id: str,
        channel: Channel,
        user_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...],
        audio: bool,
        is_alarm: bool = False,
        stream: str = "main",
    ) -> LiveAddress:
        if channel.id in self.broken:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no media worker")
        stream_id = stream_id_of(channel.id, stream)
        self.opened.append((view_id, stream_id, expires_at))
        return LiveAddress(f"/live/{stream_id}", stream)

    async def renew_view(self, view_id: str, expires_at: datetime) -> None:
        self.renewed.append((view_id, expires_at))

    async def end_view(self, view_id: str, reason: str) -> None:
        self.ended.append((view_id, reason))

    def state(self, channel_id: str, stream: str = "") -> LiveState:
        return LiveState()


class Directory:
    def channel(self, channel_id: str) -> Channel | None:
        return Channel(channel_id, "cam-1", channel_id)


@dataclass
class Room:
    store: AnyStore
    clock: FixedClock
    pictures: Pictures
    views: ViewService
    incidents: IncidentService
    intake: Intake
    incident_id: str = ""

    async def look(self, actor: Actor, *channels: str, **given: Any) -> OpenedView:
        asked: dict[str, Any] = {
            "purpose": "alarm_verification",
            "minutes": 10,
            "incident_id": self.incident_id,
            **given,
        }
        return await self.views.open(
            actor=actor, session_id=f"s-{actor.id}", channels=channels or (WEST_GATE,), **asked
        )

    async def refused(self, actor: Actor, *channels: str, **given: Any) -> TocsinError:
        with pytest.raises(TocsinError) as caught:
            await self.look(actor, *channels, **given)
        return caught.value

    async def act(self, name: str, actor: Actor, **given: Any) -> None:
        detail = await self.incidents.get(self.incident_id, actor=CHIEF)
        await getattr(self.incidents, name)(self.incident_id, actor=actor, version=detail.incident.version, **given)

    async def audit(self, action: str) -> list[Any]:
        return list(reversed(await self.store.read(lambda tx: tx.audit.find(codes=None, action=action))))


@pytest.fixture
async def room(store: AnyStore, clock: FixedClock) -> Room:
    pictures = Pictures()
    made = Room(
        store, clock, pictures, ViewService(store, Directory(), pictures), IncidentService(store), Intake(store)
    )
    await store.run(build_town)
    await made.intake.accept(signal_of(burglary("004")))
    await made.intake.accept(signal_of(burglary("005"), after_s=1))
    (incident,) = await made.incidents.find(IncidentFilter(), actor=CHIEF)
    made.incident_id = incident.id
    return made


async def test_an_alarms_cameras_are_shown_to_all_on_duty_until_one_claims_it(room: Room) -> None:
    li, wang, chief = await room.look(LI, WEST_GATE, YARD), await room.look(WANG), await room.look(CHIEF)
    assert {key: at.url for key, at in li.live.items()} == {WEST_GATE: f"/live/{WEST_GATE}", YARD: f"/live/{YARD}"}
    assert li.view.expires_at == START + timedelta(minutes=10)

    await room.act("claim", LI)

    assert [v.id for v in await room.views.own(actor=LI)] == [li.view.id]
    assert await room.views.own(actor=WANG) == []
    assert [v.id for v in await room.views.own(actor=CHIEF)] == [chief.view.id]
    assert (await room.refused(WANG)).params["rule"] == "claimed_by_other"
    (ended,) = await room.audit("view.ended")
    assert (ended.subject_id, msgspec.json.decode(ended.detail)["reason"]) == (wang.view.id, "claimed")
    (claimed,) = await room.audit("incident.claimed")
    assert msgspec.json.decode(claimed.detail)["ended_views"] == [wang.view.id]


@only_sqlite
async def test_a_released_incident_is_shown_to_all_again(room: Room) -> None:
    await room.act("claim", LI)
    await room.act("release", LI)

    assert (await room.look(WANG)).live


@only_sqlite
async def test_a_relieved_owner_loses_the_picture(room: Room) -> None:
    await room.act("claim", LI)
    await room.look(LI)
    await room.act("claim", CHIEF)

    assert await room.views.own(actor=LI) == []


@only_sqlite
async def test_closing_ends_every_view_of_the_incident_and_no_other(room: Room) -> None:
    await room.look(LI)
    patrol = await room.look(LI, purpose="patrol", incident_id=None)
    await room.act("give_verdict", LI, verdict=Verdict.FALSE, cause="unknown")
    await room.act("close", LI)

    assert [v.id for v in await room.views.own(actor=LI)] == [patrol.view.id]
    assert (await room.refused(LI)).params["rule"] == "incident_not_open"


@only_sqlite
@pytest.mark.parametrize(
    ("actor", "channels", "given", "code", "rule"),
    [
        (LI, (ATTIC,), {}, ErrorCode.FORBIDDEN, "channel_not_in_service"),
        (LI, (WEST_GATE, ATTIC), {}, ErrorCode.FORBIDDEN, "channel_not_in_service"),
        (LI, (BANK_HALL,), {}, ErrorCode.NOT_FOUND, "out_of_scope"),
        (LI, ("nothing",), {}, ErrorCode.NOT_FOUND, "out_of_scope"),
        (LI, (WEST_GATE,), {"incident_id": None}, ErrorCode.FORBIDDEN, "incident_missing"),
        (LI, (WEST_GATE,), {"purpose": "curiosity"}, ErrorCode.FORBIDDEN, "purpose_missing"),
        (LI, (WEST_GATE,), {"purpose": "patrol", "minutes": 31}, ErrorCode.FORBIDDEN, "minutes_over_limit"),
        (PEOPLE.admin, (WEST_GATE,), {}, ErrorCode.FORBIDDEN, "no_permission"),
        (PEOPLE.auditor, (WEST_GATE,), {"purpose": "patrol"}, ErrorCode.FORBIDDEN, "no_permission"),
        (PEOPLE.installer, (WEST_GATE,), {"purpose": "patrol", "incident_id": None}, ErrorCode.FORBIDDEN,
         "purpose_not_permitted"),
        (PEOPLE.installer, (ATTIC,), {"purpose": "maintenance", "incident_id": None}, ErrorCode.FORBIDDEN,
         "channel_not_in_service"),
    ],
)  # fmt: skip
async def test_a_refused_view_opens_nothing_and_is_audited_like_a_grant(
    room: Room, actor: Actor, channels: tuple[str, ...], given: dict[str, Any], code: ErrorCode, rule: str
) -> None:
    error = await room.refused(actor, *channels, **given)

    assert (error.code, error.params.get("rule", error.key)) == (code, rule)
    assert room.pictures.opened == []
    (record,) = await room.audit("view.opened")
    assert (record.outcome, record.actor_id) == ("refused", actor.id)
    assert msgspec.json.decode(record.detail)["rule"] == rule


@only_sqlite
async def test_an_incident_of_another_jurisdiction_gives_no_view(room: Room) -> None:
    assert (await room.refused(SOUTH)).code is ErrorCode.NOT_FOUND


@only_sqlite
async def test_an_installer_looks_for_maintenance(room: Room) -> None:
    opened = await room.look(PEOPLE.installer, purpose="maintenance", incident_id=None, minutes=5)

    assert opened.live
    (record,) = await room.audit("view.opened")
    assert msgspec.json.decode(record.detail)["purpose"] == "maintenance"


@only_sqlite
async def test_a_view_ends_at_its_time(room: Room) -> None:
    await room.look(LI, minutes=1)
    room.clock.advance(59)
    assert await room.views.expire() == 0
    room.clock.advance(1)
    assert await room.views.own(actor=LI) == []
    assert await room.views.expire() == 1
    assert await room.views.expire() == 0


async def test_the_media_side_hears_of_a_view_that_was_revoked(room: Room) -> None:
    room.store.on_committed(room.views.hear)
    passing = asyncio.create_task(room.views.pass_ends())
    wang = await room.look(WANG)
    await room.act("claim", LI)
    await asyncio.sleep(0)
    passing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await passing

    assert room.pictures.ended == [(wang.view.id, "revoked")]


@only_sqlite
async def test_closing_ones_own_view_ends_it_and_anothers_is_unknown(room: Room) -> None:
    opened = await room.look(LI)
    with pytest.raises(TocsinError) as caught:
        await room.views.close(opened.view.id, actor=WANG)
    assert caught.value.code is ErrorCode.NOT_FOUND
    await room.views.close(opened.view.id, actor=LI)
    await room.views.close(opened.view.id, actor=LI)

    assert [r.outcome for r in await room.audit("view.ended")] == ["refused", "done"]
    assert (opened.view.id, "closed") in room.pictures.ended


@only_sqlite
async def test_the_first_frame_is_stamped_once_and_completes_the_view_step(room: Room) -> None:
    opened = await room.look(LI, WEST_GATE, YARD)
    before = (await room.incidents.get(room.incident_id, actor=LI)).incident.version
    assert await room.views.first_frame(opened.view.id, WEST_GATE, actor=LI)
    room.clock.advance(1)
    assert not await room.views.first_frame(opened.view.id, WEST_GATE, actor=LI)
    assert await room.views.first_frame(opened.view.id, YARD, actor=LI)
    detail = await room.incidents.get(room.incident_id, actor=LI)

    assert detail.incident.stamps["t6"]["at"] == "2026-11-22T02:14:07.000000Z"
    assert detail.steps[0].state == "done"
    assert detail.incident.version == before
    assert len(await room.audit("incident.first_frame")) == 2
    for view_id, channel_id, actor in [(opened.view.id, WEST_GATE, WANG), (opened.view.id, ATTIC, LI)]:
        with pytest.raises(TocsinError):
            await room.views.first_frame(view_id, channel_id, actor=actor)


@only_sqlite
async def test_one_picture_that_cannot_be_had_does_not_take_the_others(room: Room) -> None:
    room.pictures.broken = {WEST_GATE}
    assert list((await room.look(LI, WEST_GATE, YARD)).live) == [YARD]
    room.pictures.broken = {WEST_GATE, YARD}
    assert (await room.refused(LI, WEST_GATE)).code is ErrorCode.UNAVAILABLE
    assert len(await room.views.own(actor=LI)) == 1


@only_sqlite
async def test_views_end_with_their_session(room: Room) -> None:
    await room.look(LI)
    await room.look(CHIEF)
    assert await room.views.end_of_session("s-li", "signed_out") == 1
    assert await room.views.own(actor=LI) == []
    assert len(await room.views.own(actor=CHIEF)) == 1


@only_sqlite
@pytest.mark.parametrize("channels", [["x"] * 0, [f"c{n}" for n in range(65)]])
async def test_a_view_names_one_to_sixty_four_channels(room: Room, channels: list[str]) -> None:
    with pytest.raises(TocsinError) as caught:
        await room.views.open(actor=LI, session_id="s", channels=channels, purpose="patrol", minutes=1)

    assert caught.value.code is ErrorCode.INVALID


async def test_channels_are_added_to_an_open_view_with_a_record_of_their_own(room: Room) -> None:
    opened = await room.look(LI, WEST_GATE)
    grown = await room.views.extend(
        opened.view.id, actor=LI, session_id="s-li", channels=[WEST_GATE, YARD], streams={YARD: "sub"}
    )
    assert set(grown.view.channel_ids) == {WEST_GATE, YARD}
    assert grown.live[YARD].stream == "sub"
    assert grown.view.expires_at == opened.view.expires_at
    (record,) = await room.audit("view.extended")
    assert msgspec.json.decode(record.detail)["channels"] == [YARD]
    await room.views.extend(opened.view.id, actor=LI, session_id="s-li", channels=[YARD])
    assert len(await room.audit("view.extended")) == 1
    (own,) = await room.views.own(actor=LI)
    assert (set(own.channel_ids), own.subs) == ({WEST_GATE, YARD}, {YARD})


async def test_a_channel_that_the_purpose_does_not_cover_is_not_added(room: Room) -> None:
    opened = await room.look(LI, WEST_GATE)
    with pytest.raises(TocsinError) as caught:
        await room.views.extend(opened.view.id, actor=LI, session_id="s-li", channels=["nowhere"])
    assert caught.value.code is ErrorCode.NOT_FOUND
    (own,) = await room.views.own(actor=LI)
    assert own.channel_ids == (WEST_GATE,)


async def test_a_view_is_renewed_by_its_holder_and_its_pictures_go_on(room: Room) -> None:
    opened = await room.look(LI, WEST_GATE)
    room.clock.advance(300)
    renewed = await room.views.renew(opened.view.id, actor=LI, session_id="s-li", minutes=10)
    assert renewed.expires_at == START + timedelta(minutes=15)
    assert room.pictures.renewed == [(opened.view.id, renewed.expires_at)]
    (record,) = await room.audit("view.renewed")
    assert record.subject_id == opened.view.id
    room.clock.advance(330)
    assert await room.views.expire() == 0
    room.clock.advance(300)
    assert await room.views.expire() == 1
    with pytest.raises(TocsinError) as caught:
        await room.views.renew(opened.view.id, actor=LI, session_id="s-li", minutes=10)
    assert caught.value.code is ErrorCode.CONFLICT


async def test_another_stream_of_an_open_view_needs_no_new_purpose(room: Room) -> None:
    opened = await room.look(LI, WEST_GATE, streams={WEST_GATE: "sub"})
    assert opened.live[WEST_GATE].stream == "sub"
    chosen = await room.views.choose_streams(opened.view.id, actor=LI, session_id="s-li", streams={WEST_GATE: "main"})
    assert chosen.live[WEST_GATE].url == f"/live/{WEST_GATE}"
    (record,) = await room.audit("view.streams")
    assert msgspec.json.decode(record.detail)["streams"] == [f"{WEST_GATE}:main"]
    await room.views.choose_streams(opened.view.id, actor=LI, session_id="s-li", streams={WEST_GATE: "main"})
    assert len(await room.audit("view.streams")) == 1
    with pytest.raises(TocsinError) as caught:
        await room.views.choose_streams(opened.view.id, actor=LI, session_id="s-li", streams={YARD: "main"})
    assert caught.value.code is ErrorCode.NOT_FOUND
