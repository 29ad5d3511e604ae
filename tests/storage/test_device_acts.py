"""Acts that cannot be taken back: two people, a bounded time, a record of each step; cards that report errors."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, OPERATOR, House, actor, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import Purpose, Role
from tocsin.domain.camera_desk import Card, note_cards
from tocsin.domain.device_acts import ActState, DeviceActs, Firmware, Upgraded, read_firmware
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.views import View
from tocsin.storage.store import AnyStore

OTHER = actor(Role.INSTALLER, codes=("340223",), name="installer-b")
ELSEWHERE = actor(Role.INSTALLER, codes=("340224",), name="installer-elsewhere")
GB = "34022300001310000001"
GIVEN = {"firmware": "2.1", "url": "http://192.0.2.9/fw.bin", "manufacturer": "Example"}


class Line:
    """Devices that remember what they were told, and how many records stood then."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.key = ""
        self.outcome = CommandOutcome.UNCONFIRMED
        self.erased: list[tuple[str, str, int]] = []
        self.firmware: list[Firmware] = []
        self.recorded_before: list[tuple[str, str]] = []

    def problem(self, device_id: str) -> str:
        return self.key

    async def format_card(self, device_id: str, gb_id: str, card: int) -> CommandOutcome:
        self.recorded_before = await self.house.audited()
        self.erased.append((device_id, gb_id, card))
        return self.outcome

    async def upgrade(self, device_id: str, firmware: Firmware) -> CommandOutcome:
        self.recorded_before = await self.house.audited()
        self.firmware.append(firmware)
        return self.outcome


class Town:
    """A camera with one picture, and the acts on it."""

    def __init__(self, house: House, clock: FixedClock) -> None:
        self.house, self.clock = house, clock
        self.line = Line(house)
        self.acts = DeviceActs(house.store, self.line)

    async def set_up(self) -> None:
        self.device_id = (await self.house.camera()).id
        await self.house.reports.catalog(self.device_id, [CatalogEntry(GB, "西门")], True)
        self.camera_id = (await self.house.cameras.cameras(HOUSE)).items[0].id

    async def last(self) -> tuple[str, str]:
        return (await self.house.audited())[-1]

    async def watch(self, purpose: Purpose) -> None:
        now = self.clock.now()
        view = View(new_id(), "u", "s", purpose, (self.camera_id,), "340223", now, now + timedelta(minutes=5))
        await self.house.store.run(lambda tx: tx.views.add(view))


@pytest.fixture
async def town(store: AnyStore, clock: FixedClock) -> Town:
    made = Town(await make_house(store, clock), clock)
    await made.set_up()
    return made


async def fails(work: object, code: ErrorCode, key: str) -> None:
    with pytest.raises(TocsinError) as refused:
        await work  # type: ignore[misc]
    assert (refused.value.code, refused.value.key) == (code, key)


async def test_a_card_is_erased_only_after_another_person_confirmed(town: Town) -> None:
    act = await town.acts.ask_format(town.camera_id, 1, "卡已损坏", actor=INSTALLER_A)
    assert (act.state, town.line.erased) == (ActState.WAITING, [])
    assert await town.last() == ("device.format_asked", "done")
    await fails(town.acts.confirm(act.id, actor=INSTALLER_A), ErrorCode.FORBIDDEN, "act.same_person")
    assert await town.last() == ("device.act_confirmed", "refused")
    await fails(town.acts.confirm(act.id, actor=OPERATOR), ErrorCode.FORBIDDEN, "no_permission")
    await fails(town.acts.confirm(act.id, actor=ELSEWHERE), ErrorCode.NOT_FOUND, "not_found")
    assert town.line.erased == []
    done = await town.acts.confirm(act.id, actor=OTHER)
    assert town.line.erased == [(town.device_id, GB, 1)]
    assert town.line.recorded_before[-1] == ("device.act_confirmed", "done")
    assert (done.state, done.result, done.decided_by) == (ActState.TAKEN, "unconfirmed", OTHER.id)
    assert await town.last() == ("device.act_answered", "done")
    await fails(town.acts.confirm(act.id, actor=OTHER), ErrorCode.CONFLICT, "act.not_waiting")


async def test_a_request_ends_by_itself_after_15_minutes_and_may_be_made_again(town: Town) -> None:
    act = await town.acts.ask_format(town.camera_id, 0, "x", actor=INSTALLER_A)
    again = town.acts.ask_format(town.camera_id, 0, "x", actor=OTHER)
    await fails(again, ErrorCode.CONFLICT, "act.already_asked")
    town.clock.advance(15 * 60)
    await fails(town.acts.confirm(act.id, actor=OTHER), ErrorCode.CONFLICT, "act.expired")
    assert await town.acts.acts(actor=OTHER, is_waiting=True) == []
    (shown,) = await town.acts.acts(actor=OTHER, device_id=town.device_id)
    assert (shown.state, town.line.erased) == (ActState.EXPIRED, [])
    assert (await town.acts.ask_format(town.camera_id, 0, "x", actor=INSTALLER_A)).state is ActState.WAITING


async def test_a_request_can_be_taken_back_or_turned_down(town: Town) -> None:
    act = await town.acts.ask_format(town.camera_id, 1, "x", actor=INSTALLER_A)
    assert (await town.acts.withdraw(act.id, actor=OTHER)).state is ActState.WITHDRAWN
    await fails(town.acts.confirm(act.id, actor=OTHER), ErrorCode.CONFLICT, "act.not_waiting")
    assert town.line.erased == []


async def test_nothing_is_erased_without_a_reason_right_or_device(town: Town) -> None:
    await fails(
        town.acts.ask_format(town.camera_id, 1, " ", actor=INSTALLER_A), ErrorCode.INVALID, "registry.field_required"
    )
    await fails(town.acts.ask_format(town.camera_id, 1, "x", actor=OPERATOR), ErrorCode.FORBIDDEN, "no_permission")
    town.line.key = "desk.older_edition"
    await fails(
        town.acts.ask_format(town.camera_id, 1, "x", actor=INSTALLER_A), ErrorCode.CONFLICT, "desk.older_edition"
    )
    town.line.key = "guard.not_connected"
    await fails(
        town.acts.ask_format(town.camera_id, 1, "x", actor=INSTALLER_A), ErrorCode.UNAVAILABLE, "guard.not_connected"
    )


async def test_what_is_watched_to_verify_an_alarm_is_neither_erased_nor_upgraded(town: Town) -> None:
    act = await town.acts.ask_format(town.camera_id, 1, "x", actor=INSTALLER_A)
    await town.watch(Purpose.PATROL)
    await town.watch(Purpose.ALARM_VERIFICATION)
    await fails(town.acts.confirm(act.id, actor=OTHER), ErrorCode.CONFLICT, "act.in_use")
    upgrade = town.acts.upgrade(town.device_id, GIVEN, actor=ADMINISTRATOR)
    await fails(upgrade, ErrorCode.CONFLICT, "act.in_use")
    assert (town.line.erased, town.line.firmware) == ([], [])


async def test_an_upgrade_is_an_administrators_and_its_result_ends_it_also_after_a_restart(town: Town) -> None:
    await fails(town.acts.upgrade(town.device_id, GIVEN, actor=INSTALLER_A), ErrorCode.FORBIDDEN, "no_permission")
    act = await town.acts.upgrade(town.device_id, GIVEN, actor=ADMINISTRATOR)
    [firmware] = town.line.firmware
    assert (act.state, len(firmware.session) >= 32) == (ActState.RUNNING, True)
    assert town.line.recorded_before[-1] == ("device.upgrade_asked", "done")
    again = town.acts.upgrade(town.device_id, GIVEN, actor=ADMINISTRATOR)
    await fails(again, ErrorCode.CONFLICT, "act.already_asked")
    later = DeviceActs(town.house.store, town.line)
    await later.start()
    assert not await later.upgraded(town.device_id, Upgraded("f" * 40, True))
    assert not await later.upgraded("another", Upgraded(firmware.session, True))
    assert await later.upgraded(town.device_id, Upgraded(firmware.session, False, "2.0", "校验失败"))
    (shown,) = await later.acts(actor=ADMINISTRATOR, device_id=town.device_id)
    assert (shown.state, shown.result) == (ActState.FAILED, "校验失败")
    assert not await later.upgraded(town.device_id, Upgraded(firmware.session, True)), "the first result counts"


async def test_an_upgrade_that_did_not_reach_the_device_is_over_at_once(town: Town) -> None:
    town.line.outcome = CommandOutcome.UNREACHABLE
    upgrade = town.acts.upgrade(town.device_id, GIVEN, actor=ADMINISTRATOR)
    await fails(upgrade, ErrorCode.UNAVAILABLE, "guard.unreachable")
    assert (await town.acts.acts(actor=ADMINISTRATOR, device_id=town.device_id))[0].state is ActState.FAILED


async def test_a_card_that_was_being_erased_when_we_fell_is_told_as_unknown(town: Town) -> None:
    act = await town.acts.ask_format(town.camera_id, 1, "x", actor=INSTALLER_A)
    await town.house.store.run(lambda tx: tx.device_acts.save(replace(act, state=ActState.RUNNING)))
    await DeviceActs(town.house.store, town.line).start()
    (shown,) = await town.acts.acts(actor=OTHER, device_id=town.device_id)
    assert (shown.state, shown.result) == (ActState.TAKEN, "unknown")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "file:///etc/passwd"),
        ("url", "http://user:secret@host/fw"),
        ("url", "http:///fw"),
        ("url", ""),
        ("session", "short"),
        ("session", "x" * 31 + "<"),
        ("firmware", ""),
        ("manufacturer", "x" * 65),
    ],
)
def test_what_cannot_be_installed_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(TocsinError) as refused:
        read_firmware({**GIVEN, name: value})
    assert (refused.value.code, refused.value.params["field"]) == (ErrorCode.INVALID, name)


async def test_a_card_with_an_error_is_a_fault_that_opens_once_and_closes_by_itself(town: Town) -> None:
    async def told(*states: str) -> list[tuple[str, str]]:
        cards = [Card(number, state=state) for number, state in enumerate(states, 1)]
        await town.house.store.run(note_cards, town.camera_id, cards)
        found = await town.house.store.read(lambda tx: tx.health.open_faults([town.camera_id]))
        return sorted((key, fault.params["cards"]) for key, fault in found.get(town.camera_id, {}).items())

    assert await told("ok") == []
    assert await told("error", "error", "unformatted") == [("storage.error", "1, 2"), ("storage.unformatted", "3")]
    assert await told("error", "error", "ok") == [("storage.error", "1, 2")]
    assert await told("ok", "formatting") == []
