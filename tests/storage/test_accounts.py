"""Accounts of alarm devices: contacts in order, passwords, floor plans, what is over, and what the audit keeps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.floor_plans import png
from tests.support.house import BANK_PANEL, PANEL, PEOPLE, build_town, burglary, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.passwords import Passwords
from tocsin.base.times import to_us
from tocsin.domain.account_service import AccountService
from tocsin.domain.accounts import CallOutcome, CheckResult
from tocsin.domain.incident_detail import IncidentFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.intake import Intake
from tocsin.domain.signals import SignalState
from tocsin.storage.store import AnyStore

OWNER = {"name": "王店长", "phone": "+86 138-0013-8000", "role": "manager", "languages": ["zh"]}


class MemoryPlans:
    """Files of floor plans in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def write(self, name: str, data: bytes) -> None:
        self.files[name] = data

    async def read(self, name: str) -> bytes:
        return self.files[name]

    async def remove(self, name: str) -> None:
        self.files.pop(name, None)

    async def keep_only(self, names: frozenset[str]) -> None:
        self.files = {name: data for name, data in self.files.items() if name in names}


@pytest.fixture
def files() -> MemoryPlans:
    return MemoryPlans()


@pytest.fixture
async def intake(store: AnyStore) -> Intake:
    await store.run(build_town)
    return Intake(store)


@pytest.fixture
async def accounts(
    store: AnyStore, clock: FixedClock, intake: Intake, files: MemoryPlans
) -> AsyncIterator[AccountService]:
    passwords = Passwords(memory_kib=8, passes=1)
    yield AccountService(store, clock, intake, files, passwords)
    passwords.close()


async def audited(store: AnyStore, action: str = "account.") -> list[tuple[str, dict[str, Any]]]:
    """Return actions and details that stand in the audit, oldest first."""

    def _read(tx: Any) -> list[tuple[str, dict[str, Any]]]:
        return [(one.action, json.loads(one.detail)) for one in tx.audit.find(codes=None, action=action, limit=500)]

    return (await store.read(_read))[::-1]


async def incident_of(store: AnyStore, intake: Intake) -> str:
    await intake.accept(signal_of(burglary("4")))
    [incident] = await IncidentService(store).find(IncidentFilter(), actor=PEOPLE.li)
    return incident.id


async def test_an_account_nobody_wrote_to_is_there_and_empty(accounts: AccountService) -> None:
    form = (await accounts.view(PANEL, actor=PEOPLE.li)).form()
    assert (form["id"], form["owner"], form["contacts"], form["version"]) == (PANEL, "", 0, 1)
    assert [zone["number"] for zone in form["zones"]] == ["4", "5"]  # type: ignore[attr-defined]
    with pytest.raises(TocsinError) as outside:
        await accounts.view(BANK_PANEL, actor=PEOPLE.li)
    assert outside.value.code is ErrorCode.NOT_FOUND


async def test_owner_and_way_in_are_changed_once_for_each_version(accounts: AccountService, store: AnyStore) -> None:
    saved = await accounts.change(PANEL, {"access": "侧门，钥匙在门卫"}, actor=PEOPLE.admin, version=1)
    assert saved.version == 2
    with pytest.raises(TocsinError) as stale:
        await accounts.change(PANEL, {"owner": "教育局"}, actor=PEOPLE.admin, version=1)
    assert stale.value.params["current_version"] == 2
    with pytest.raises(TocsinError) as denied:
        await accounts.change(PANEL, {"owner": "教育局"}, actor=PEOPLE.li, version=2)
    assert denied.value.code is ErrorCode.FORBIDDEN
    assert (await audited(store))[0] == ("account.changed", {"changed": ["access"]})


async def test_contacts_stand_in_call_order_and_leave_no_name_in_the_audit(
    accounts: AccountService, store: AnyStore, clock: FixedClock
) -> None:
    first = await accounts.add_contact(PANEL, OWNER, actor=PEOPLE.chief)
    second = await accounts.add_contact(PANEL, {"name": "门卫", "phone": "110"}, actor=PEOPLE.chief)
    assert (second.rank, second.role) == (2, "key_holder")
    assert first.review_on == clock.now().date() + timedelta(days=365)
    await accounts.order_contacts(PANEL, [second.id, first.id], actor=PEOPLE.chief)
    saved = await accounts.change_contact(
        PANEL, first.id, {"phone": "021 5555 0101"}, actor=PEOPLE.chief, version=first.version
    )
    read = await accounts.contacts(PANEL, actor=PEOPLE.li)
    assert [(one.rank, one.id, one.phone) for one in read] == [(1, second.id, "110"), (2, first.id, saved.phone)]
    await accounts.remove_contact(PANEL, second.id, actor=PEOPLE.chief)
    assert [one.rank for one in await accounts.contacts(PANEL, actor=PEOPLE.li)] == [1]

    kept = await audited(store)
    assert [action for action, _ in kept] == [
        "account.contact_added", "account.contact_added", "account.contacts_ordered", "account.contact_changed",
        "account.contacts_read", "account.contact_removed", "account.contacts_read",
    ]  # fmt: skip
    told = json.dumps(kept, ensure_ascii=False)
    assert not any(word in told for word in ("王店长", "门卫", "138", "5555"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "", "phone": "110"}, "name"),
        ({"name": "a", "phone": "call me"}, "phone"),
        ({"name": "a", "phone": "110", "role": "friend"}, "role"),
        ({"name": "a", "phone": "110", "note": "身份证 11010519491231002X"}, "note"),
        ({"name": "a", "phone": "110", "languages": ["Chinese"]}, "languages"),
        ({"name": "a", "phone": "110", "review_on": "2031-01-01"}, "review_on"),
        ({"name": "a", "phone": "110", "ends_on": "2026-11-21"}, "ends_on"),
        ({"name": "a", "phone": "110", "ends_on": "soon"}, "ends_on"),
    ],
)
async def test_a_contact_that_cannot_be_right_is_refused_naming_the_field(
    accounts: AccountService, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(TocsinError) as caught:
        await accounts.add_contact(PANEL, given, actor=PEOPLE.chief)
    assert (caught.value.code, caught.value.params["field"]) == (ErrorCode.INVALID, field)


async def test_who_may_not_read_contacts_does_not(accounts: AccountService, store: AnyStore) -> None:
    await accounts.add_contact(PANEL, OWNER, actor=PEOPLE.chief)
    for actor in (PEOPLE.installer, PEOPLE.auditor):
        with pytest.raises(TocsinError) as denied:
            await accounts.contacts(PANEL, actor=actor)
        assert denied.value.code is ErrorCode.FORBIDDEN
    for actor in (PEOPLE.li, PEOPLE.installer):
        with pytest.raises(TocsinError):
            await accounts.add_contact(PANEL, OWNER, actor=actor)


async def test_what_is_over_goes_by_itself_with_a_record(
    accounts: AccountService, store: AnyStore, clock: FixedClock
) -> None:
    today = clock.now().date()
    short = await accounts.add_contact(PANEL, OWNER | {"ends_on": today.isoformat()}, actor=PEOPLE.chief)
    stays = await accounts.add_contact(PANEL, OWNER, actor=PEOPLE.chief)
    note = await accounts.add_note(PANEL, "狗在院内", clock.now() + timedelta(hours=8), actor=PEOPLE.li)
    assert [one.text for one in (await accounts.view(PANEL, actor=PEOPLE.li)).notes] == ["狗在院内"]
    assert await accounts.clear_over() == 0

    clock.advance(86_400)
    assert (await accounts.view(PANEL, actor=PEOPLE.li)).notes == ()
    assert [one.id for one in await accounts.contacts(PANEL, actor=PEOPLE.li)] == [stays.id]
    assert await accounts.clear_over() == 1
    clock.advance(31 * 86_400)
    assert await accounts.clear_over() == 1
    kept = await audited(store)
    assert ("account.contact_removed", {"contact_id": short.id, "role": "manager", "why": "ended"}) in kept
    assert ("account.note_removed", {"note_id": note.id, "why": "ended"}) in kept

    await store.run(lambda tx: tx.connection.exec_driver_sql(
        f"UPDATE devices SET retired_at_us = {to_us(clock.now())} WHERE id = '{PANEL}'"
    ))  # fmt: skip
    clock.advance(31 * 86_400)
    assert await accounts.clear_over() == 1
    assert (await audited(store))[-1][1]["why"] == "retired"


async def test_a_contact_past_its_review_is_marked_and_still_called(
    accounts: AccountService, clock: FixedClock
) -> None:
    await accounts.add_contact(PANEL, OWNER | {"review_on": "2026-11-23"}, actor=PEOPLE.chief)
    assert (await accounts.view(PANEL, actor=PEOPLE.li)).due == 0
    clock.advance(2 * 86_400)
    assert (await accounts.view(PANEL, actor=PEOPLE.li)).due == 1
    assert len(await accounts.contacts(PANEL, actor=PEOPLE.li)) == 1


async def test_a_password_is_right_however_it_is_spelled_and_is_never_kept(
    accounts: AccountService, store: AnyStore
) -> None:
    with pytest.raises(TocsinError, match="3 to 64"):
        await accounts.add_password(PANEL, "x", "!?", is_duress=False, ends_on=None, actor=PEOPLE.chief)
    await accounts.add_password(PANEL, "值班室", "River Stone 7", is_duress=False, ends_on=None, actor=PEOPLE.chief)
    with pytest.raises(TocsinError) as used:
        await accounts.add_password(PANEL, "二号", "riverstone7", is_duress=True, ends_on=None, actor=PEOPLE.chief)
    assert used.value.key == "account.password_used"
    for word in ("River Stone 7", "river-stone ７", "RIVERSTONE7"):
        assert (await accounts.check_password(PANEL, word, actor=PEOPLE.li)).result is CheckResult.RIGHT
    assert (await accounts.check_password(PANEL, "river", actor=PEOPLE.li)).result is CheckResult.WRONG
    told = json.dumps(await audited(store), ensure_ascii=False).lower()
    assert "stone" not in told
    [kept] = await store.read(lambda tx: tx.accounts.passwords(PANEL))
    assert kept.hash.startswith("$argon2id$")


async def test_five_wrong_words_close_the_check_also_after_a_restart(
    accounts: AccountService, store: AnyStore, clock: FixedClock, intake: Intake, files: MemoryPlans
) -> None:
    await accounts.add_password(PANEL, "值班室", "River Stone 7", is_duress=False, ends_on=None, actor=PEOPLE.chief)
    left = [(await accounts.check_password(PANEL, f"wrong {n}", actor=PEOPLE.li)).left for n in range(5)]
    assert left == [4, 3, 2, 1, 0]
    passwords = Passwords(memory_kib=8, passes=1)
    again = AccountService(store, clock, intake, files, passwords)
    with pytest.raises(TocsinError) as closed:
        await again.check_password(PANEL, "River Stone 7", actor=PEOPLE.wang)
    assert (closed.value.code, closed.value.params["retry_after_s"]) == (ErrorCode.TOO_MANY, 600)
    assert (await audited(store))[-1] == ("account.password_checked", {"result": "closed"})
    clock.advance(600)
    assert (await again.check_password(PANEL, "River Stone 7", actor=PEOPLE.wang)).result is CheckResult.RIGHT
    assert (await again.check_password(PANEL, "wrong", actor=PEOPLE.wang)).left == 4
    passwords.close()


async def test_a_duress_word_raises_an_alarm_of_priority_1_in_the_incident_and_says_nothing_to_the_premises(
    accounts: AccountService, store: AnyStore, intake: Intake
) -> None:
    await accounts.add_password(PANEL, "胁迫", "红叶飘落", is_duress=True, ends_on=None, actor=PEOPLE.chief)
    incident_id = await incident_of(store, intake)
    found = await accounts.check_password(PANEL, "红叶飘落", actor=PEOPLE.li, incident_id=incident_id)
    assert found.result is CheckResult.DURESS
    incidents = IncidentService(store)
    detail = await incidents.get(incident_id, actor=PEOPLE.li)
    assert detail.incident.priority == 1
    assert [(one.kind, one.priority) for one in detail.alarms if one.priority == 1] == [("duress", 1)]
    [kept] = [
        one for one in await store.read(lambda tx: tx.signals.load([a.signal_id for a in detail.alarms]))
        if one.signal.protocol == "tocsin"
    ]  # fmt: skip
    assert kept.state is SignalState.PROCESSED
    assert "红叶" not in kept.signal.raw.decode()

    def _actions(lines: Any) -> set[str]:
        return {one.action for one in lines}

    assert "account.password_checked" in _actions(await accounts.history(PANEL, actor=PEOPLE.li))
    assert not {
        action for action in _actions(await accounts.history(PANEL, actor=PEOPLE.installer)) if "password" in action
    }


async def test_a_call_is_written_into_the_log_of_its_incident(
    accounts: AccountService, store: AnyStore, intake: Intake
) -> None:
    contact = await accounts.add_contact(PANEL, OWNER, actor=PEOPLE.chief)
    incident_id = await incident_of(store, intake)
    assert len(await accounts.contacts(PANEL, actor=PEOPLE.li, incident_id=incident_id)) == 1
    incidents = IncidentService(store)
    before = await incidents.get(incident_id, actor=PEOPLE.li)
    after = await incidents.note_call(
        incident_id, actor=PEOPLE.li, version=before.incident.version, device_id=PANEL, contact_id=contact.id,
        outcome=CallOutcome.NO_ANSWER,
    )  # fmt: skip
    [line] = [one for one in after.history if one.action == "incident.called"]
    assert json.loads(line.detail) == {
        "device_id": PANEL, "contact_id": contact.id, "rank": 1, "role": "manager", "called": "no_answer",
    }  # fmt: skip
    with pytest.raises(TocsinError) as elsewhere:
        await accounts.contacts(BANK_PANEL, actor=PEOPLE.chief, incident_id=incident_id)
    assert elsewhere.value.key == "account.not_of_incident"


async def test_a_floor_plan_is_kept_and_zones_stand_on_it(
    accounts: AccountService, store: AnyStore, files: MemoryPlans
) -> None:
    picture = png(640, 480)
    plan = await accounts.add_plan(PANEL, "一层", picture, actor=PEOPLE.installer)
    assert (plan.width_px, plan.height_px, files.files[plan.file]) == (640, 480, picture)
    point = await accounts.place_zone(PANEL, "004", {"plan_id": plan.id, "x": 0.25, "y": 0.5}, actor=PEOPLE.installer)
    assert point is not None
    assert (await accounts.view(PANEL, actor=PEOPLE.li)).form()["zones"][0]["point"] == {  # type: ignore[index]
        "plan_id": plan.id, "x": 0.25, "y": 0.5,
    }  # fmt: skip
    with pytest.raises(TocsinError) as no_picture:
        await accounts.add_plan(PANEL, "二层", b"<svg/>", actor=PEOPLE.installer)
    assert no_picture.value.key == "account.plan_form"
    with pytest.raises(TocsinError):
        await accounts.place_zone(PANEL, "4", {"plan_id": plan.id, "x": 1.5, "y": 0}, actor=PEOPLE.installer)
    files.files["left.png"] = b""
    await accounts.start()
    assert list(files.files) == [plan.file]
    await accounts.remove_plan(PANEL, plan.id, actor=PEOPLE.installer)
    assert files.files == {}
    assert (await accounts.view(PANEL, actor=PEOPLE.li)).points == {}
