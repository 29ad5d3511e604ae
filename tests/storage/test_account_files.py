"""Accounts and contacts from files and into files: what is taken out comes back the same; imports are taken back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from tests.support.clocks import FixedClock
from tests.support.house import BANK_PANEL, PANEL, PEOPLE, SHOP_PANEL, build_town
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.passwords import Passwords
from tocsin.base.sheets import write_csv, write_xlsx
from tocsin.base.vault import Vault
from tocsin.domain import account_desk
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.account_service import AccountService
from tocsin.domain.accounts import FloorPlan
from tocsin.domain.cameras import ChannelService
from tocsin.domain.directory import Directory
from tocsin.domain.import_service import Import, ImportService
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.intake import Intake
from tocsin.domain.place_service import PlaceService
from tocsin.domain.registry import DeviceService
from tocsin.storage.store import AnyStore
from tocsin.storage.tables import metadata

CONTACTS = [
    ("主机账号", "联系人", "身份", "电话", "语言", "复核日期"),
    ("0231", "王店长", "负责人", "13800138000", "zh；en", "2027-03-01"),
    ("0231", "门卫", "guard", "021-5555 0101", "", ""),
    ("0232", "李四", "Key-holder", "13900139000", "", "2027-05-01 00:00:00"),
]


class Files:
    """Imports and exports over a store."""

    def __init__(self, store: AnyStore, clock: FixedClock) -> None:
        vault = Vault(b"k" * 32)
        directory = Directory(store, vault)
        devices = DeviceService(store, clock, vault, directory)
        self.passwords = Passwords(memory_kib=64, passes=1)
        self.accounts = AccountFiles(store, clock, self.passwords, ZoneInfo("Asia/Shanghai"))
        self.imports = ImportService(
            store, clock, PlaceService(store, clock), devices, ChannelService(store, clock, directory), self.accounts
        )
        self.undo = ImportUndo(store, devices, self.imports.is_entered)

    async def again(self, kind: str, language: str = "zh-CN") -> list[dict[str, int]]:
        """Take a kind out and check it as both forms; return what its lines would do."""
        table = await self.accounts.export(kind, language, actor=PEOPLE.admin)
        return [
            (await self.imports.check(write(table), "again", actor=PEOPLE.admin)).counts
            for write in (write_csv, write_xlsx)
        ]

    async def take_back(self, import_id: str) -> tuple[int, list[str]]:
        run = await self.undo.begin(import_id, actor=PEOPLE.admin)
        await self.undo.finished()
        return run.free, [one.why for one in run.left]

    async def enter(self, rows: Any) -> Import:
        found = await self.imports.check(write_csv(rows), "file.csv", actor=PEOPLE.admin)
        await self.imports.apply(found.id, actor=PEOPLE.admin, skip_wrong=True)
        await self.imports.finished()
        return found


@pytest.fixture
async def files(store: AnyStore, clock: FixedClock) -> Files:
    await store.run(build_town)
    return Files(store, clock)


async def contacts(store: AnyStore, device_id: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    found = await store.read(lambda tx: tx.accounts.contacts(device_id))
    return [(one.name, one.role, one.phone, one.languages) for one in found]


async def test_contacts_are_entered_in_the_order_of_the_lines_taken_out_and_the_same_again(
    files: Files, store: AnyStore
) -> None:
    found = await files.enter(CONTACTS)
    assert (found.kind, found.counts["create"], found.wrong) == ("contact", 3, [])
    assert await contacts(store, PANEL) == [
        ("王店长", "manager", "13800138000", ("zh", "en")),
        ("门卫", "guard", "021-5555 0101", ()),
    ]
    table = await files.accounts.export("contact", "zh-CN", actor=PEOPLE.chief)
    assert table[0][:2] == ("设备标识", "主机账号")
    assert [(row[0], row[5]) for row in table[1:]] == [(PANEL, "王店长"), (PANEL, "门卫"), (SHOP_PANEL, "李四")]
    again = await files.imports.check(write_xlsx(table), "again.xlsx", actor=PEOPLE.admin)
    assert (again.counts["same"], again.counts["wrong"]) == (3, 0)

    changed = await files.enter([CONTACTS[0], ("0231", "王店长", "owner", "110", "zh;en", "2027-03-01")])
    assert changed.counts["change"] == 1
    assert (await contacts(store, PANEL))[0] == ("王店长", "owner", "110", ("zh", "en"))
    run = await files.undo.begin(changed.id, actor=PEOPLE.admin)
    await files.undo.finished()
    assert (run.state, run.free, run.left) == ("done", 1, [])
    assert (await contacts(store, PANEL))[0][1:3] == ("manager", "13800138000")
    run = await files.undo.begin(found.id, actor=PEOPLE.admin)
    await files.undo.finished()
    assert [(one.name, one.why) for one in run.left] == [("学校主机", "changed")]
    assert [one[0] for one in await contacts(store, PANEL)] == ["王店长"]
    assert await contacts(store, SHOP_PANEL) == []
    kept = await store.read(lambda tx: tx.audit.find(codes=None, action="account.", limit=100))
    assert {one.action for one in kept} == {
        "account.contact_added", "account.exported", "account.contact_changed", "account.contact_removed",
    }  # fmt: skip
    told = json.dumps([one.detail for one in kept], ensure_ascii=False)
    assert "王店长" not in told
    assert "138" not in told


async def test_wrong_lines_are_named_and_leave_the_others(files: Files, store: AnyStore) -> None:
    rows = [
        CONTACTS[0],
        ("0231", "王", "", "call me", "", ""),
        ("9999", "李", "", "110", "", ""),
        ("0231", "赵", "朋友", "110", "", ""),
        ("0231", "钱", "", "110", "", "2020-01-01"),
        ("0231", "孙", "", "110", "", ""),
        ("0231", "孙", "", "120", "", ""),
    ]
    found = await files.enter(rows)
    assert [(one.line, one.column) for one in found.wrong] == [
        (2, "phone"), (3, "account"), (4, "role"), (5, "review_on"), (7, "contact"),
    ]  # fmt: skip
    assert [one[0] for one in await contacts(store, PANEL)] == ["孙"]


async def test_accounts_come_from_files_and_go_back(files: Files, store: AnyStore) -> None:
    found = await files.enter([("device", "owner", "access"), (PANEL, "教育局", "侧门"), (BANK_PANEL, "", "后门")])
    assert (found.kind, found.counts["change"]) == ("account", 2)
    table = await files.accounts.export("account", "en", actor=PEOPLE.installer)
    assert {row[0]: row[5:] for row in table[1:]}[PANEL] == ("教育局", "侧门", "0")
    assert BANK_PANEL not in {row[0] for row in table}  # it lies elsewhere
    run = await files.undo.begin(found.id, actor=PEOPLE.admin)
    await files.undo.finished()
    assert (run.free, run.left) == (2, [])
    assert (await store.read(lambda tx: tx.accounts.get(PANEL))).access == ""


async def test_files_of_contacts_are_for_who_keeps_contacts(files: Files) -> None:
    with pytest.raises(TocsinError) as denied:
        await files.accounts.export("contact", "en", actor=PEOPLE.installer)
    assert denied.value.code is ErrorCode.FORBIDDEN
    found = await files.imports.check(write_csv(CONTACTS), "file.csv", actor=PEOPLE.installer)
    assert {one.error.code for one in found.wrong} == {ErrorCode.FORBIDDEN}


async def test_notes_go_out_and_in_with_their_end_and_are_taken_back(
    files: Files, store: AnyStore, clock: FixedClock
) -> None:
    soon = clock.now() + timedelta(days=3, seconds=7, microseconds=5)
    for text in ("- 狗在院内", "第二行\n请走侧门"):
        await store.run(lambda tx, said: account_desk.add_note(tx, PEOPLE.admin, PANEL, said, soon), text)
    nothing = {"create": 0, "change": 0, "same": 2, "wrong": 0}
    assert await files.again("note") == [nothing, nothing]

    day = (clock.now() + timedelta(days=9)).date()
    head = ("主机账号", "出警提示", "有效至")
    found = await files.enter(
        [
            head,
            ("0231", "- 狗在院内", f"{day:%Y/%m/%d}"),
            ("0232", "门锁已换", f"{day} 18:30"),
            ("0232", "门锁已换", "2020-01-01"),
            ("0232", "钥匙", "下周"),
            ("0232", "", f"{day}"),
            ("0232", "身份证 11010519491231002X", f"{day}"),
            ("0232", "到期", "2020-01-01 08:00"),
        ]
    )
    assert (found.kind, found.counts["change"], found.counts["create"]) == ("note", 1, 1)
    assert [(one.line, one.column, one.error.key) for one in found.wrong] == [
        (4, "until", "account.until"),
        (5, "until", "account.until_form"),
        (6, "responder_note", "registry.field_required"),
        (7, "responder_note", "account.identity"),
        (8, "until", "account.until"),
    ]
    notes = {one.text: one for one in await store.read(lambda tx: tx.accounts.notes([PANEL, SHOP_PANEL], clock.now()))}
    zone = ZoneInfo("Asia/Shanghai")
    assert notes["- 狗在院内"].until.astimezone(zone).isoformat() == f"{day + timedelta(days=1)}T00:00:00+08:00"
    assert notes["门锁已换"].until.astimezone(zone).isoformat() == f"{day}T18:30:00+08:00"
    assert await files.take_back(found.id) == (2, [])
    notes = {one.text: one for one in await store.read(lambda tx: tx.accounts.notes([PANEL, SHOP_PANEL], clock.now()))}
    assert notes.keys() == {"- 狗在院内", "第二行\n请走侧门"}
    assert notes["- 狗在院内"].until == soon
    told = json.dumps([one.detail for one in await store.read(lambda tx: tx.audit.find(codes=None, limit=100))])
    assert json.dumps("狗")[1:-1] not in told


def plan(plan_id: str, device_id: str, name: str) -> FloorPlan:
    return FloorPlan(plan_id, device_id, name, "png", 100, 50, 10, "0" * 64)


async def test_zones_are_put_on_plans_that_are_there_and_a_missing_plan_is_named(files: Files, store: AnyStore) -> None:
    for one in (
        plan("p1", PANEL, "一层"),
        plan("p2", PANEL, "二层"),
        plan("p3", PANEL, "二层"),
        plan("p4", BANK_PANEL, "厅"),
    ):
        await store.run(account_desk.add_plan, PEOPLE.admin, one)
    given = {"plan_id": "p3", "x": 0.1234567, "y": 1}
    await store.run(account_desk.place_zone, PEOPLE.admin, PANEL, "5", given)
    same = {"create": 0, "change": 0, "same": 1, "wrong": 0}
    assert await files.again("position", "en") == [same, same]

    head = ("account", "zone", "plan", "x", "y")
    found = await files.enter(
        [
            head,
            ("0231", "4", "一层", "0.25", "0.5"),
            ("0231", "5", "#2", "0", "0.75"),
            ("0233", "1", "三层", "0.5", "0.5"),
            ("0232", "1", "一层", "0.5", "0.5"),
            ("0231", "4", "一层", "0.3", "0.5"),
            ("0233", "1", "厅", "1.5", "0.5"),
            ("0233", "1", "厅", "nan", "0.5"),
            ("0233", "1", "厅", "0.5"),
        ]
    )
    assert (found.kind, found.counts["create"], found.counts["change"]) == ("position", 1, 1)
    assert [(one.line, one.column, one.error.key) for one in found.wrong] == [
        (4, "plan", "import.no_plan"),
        (5, "zone", "import.no_zone"),
        (6, "zone", "import.twice"),
        (7, "zone", "import.twice"),
        (8, "zone", "import.twice"),
        (9, "zone", "import.twice"),
    ]
    assert found.wrong[0].error.params["choices"] == "厅"
    looked = await files.imports.check(write_csv([head, ("0233", "1", "厅", "1.5", "0.5")]), "", actor=PEOPLE.admin)
    assert [(one.line, one.column) for one in looked.wrong] == [(2, "x")]
    looked = await files.imports.check(write_csv([head, ("0233", "1", "厅", "nan", "0.5")]), "", actor=PEOPLE.admin)
    assert [(one.line, one.column) for one in looked.wrong] == [(2, "x")]
    points = await store.read(lambda tx: tx.accounts.points(PANEL))
    assert {(one.zone_id, one.plan_id, one.x, one.y) for one in points.values()} == {
        ("zone-4", "p1", 0.25, 0.5), ("zone-5", "p2", 0.0, 0.75),
    }  # fmt: skip
    await store.run(account_desk.place_zone, PEOPLE.admin, PANEL, "4", {"plan_id": "p1", "x": 0.9, "y": 0.9})
    assert await files.take_back(found.id) == (1, ["changed"])
    points = await store.read(lambda tx: tx.accounts.points(PANEL))
    assert (points["zone-5"].plan_id, points["zone-5"].x) == ("p3", 0.123457)


async def kept_everywhere(store: AnyStore) -> str:
    """Return every row of every table as text."""

    def _all(tx: Any) -> str:
        return repr([list(tx.connection.execute(select(table))) for table in metadata.sorted_tables])

    return str(await store.read(_all))


async def test_passwords_come_in_as_hashes_and_never_out(
    files: Files, store: AnyStore, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    desk = AccountService(store, clock, Intake(store), None, files.passwords)  # type: ignore[arg-type]
    head = ("主机账号", "口令用途", "口令", "胁迫口令", "终止日期")
    rows = [
        head,
        ("0231", "白班", "红叶 Maple-7", "", ""),
        ("0231", "被迫", "蓝叶蓝叶", "是", "2027/01/31"),
        ("0232", "店主", "黄叶黄叶", "否", ""),
        ("0232", "夜班", "黄 叶 黄 叶", "", ""),
        ("0232", "短", "叶", "", ""),
        ("0232", "", "绿叶绿叶", "", ""),
        ("0232", "错", "橙叶橙叶", "也许", ""),
        ("0232", "旧", "紫叶紫叶", "", "2020-01-01"),
        ("9999", "无", "白叶白叶", "", ""),
    ]
    found = await files.enter(rows)
    assert (found.kind, found.counts["create"]) == ("password", 3)
    assert [(one.line, one.column, one.value) for one in found.wrong] == [
        (5, "word", ""), (6, "word", ""), (7, "label", ""), (8, "is_duress", "也许"), (9, "ends_on", "2020-01-01"),
        (10, "account", "9999"),
    ]  # fmt: skip
    assert (await desk.check_password(PANEL, "红叶maple7", actor=PEOPLE.li)).result == "right"
    assert (await desk.check_password(PANEL, "蓝叶蓝叶", actor=PEOPLE.li)).result == "duress"
    looked = await files.imports.check(write_csv(rows[:4]), "", actor=PEOPLE.admin)
    assert looked.counts == {"create": 0, "change": 0, "same": 3, "wrong": 0}

    renewed = await files.enter([head, ("0231", "白班", "新叶新叶", "", ""), ("0231", "晚班", "蓝叶蓝叶", "", "")])
    assert (renewed.counts["change"], [one.error.key for one in renewed.wrong]) == (1, ["account.password_used"])
    assert (await desk.check_password(PANEL, "红叶maple7", actor=PEOPLE.li)).result == "wrong"
    taken_out = [await files.accounts.export(kind, "en", actor=PEOPLE.admin) for kind in ("account", "note")]
    told = " ".join(
        [
            await kept_everywhere(store),
            caplog.text,
            *(str(one.form()) + repr(one) for one in (found, looked, renewed)),
            repr(taken_out),
        ]
    )
    assert "叶" not in told
    assert "aple" not in told
    with pytest.raises(TocsinError) as no_such:
        await files.accounts.export("password", "en", actor=PEOPLE.admin)
    assert no_such.value.code is ErrorCode.NOT_FOUND
    table = await files.accounts.export("account", "en", actor=PEOPLE.admin)
    assert {row[0]: row[7] for row in table}[PANEL] == "2"
    assert (await files.again("account"))[0]["change"] == 0

    assert await files.take_back(renewed.id) == (1, [])
    assert (await desk.check_password(PANEL, "红叶maple7", actor=PEOPLE.li)).result == "right"
    assert await files.take_back(found.id) == (3, [])
    assert await desk.passwords(PANEL, actor=PEOPLE.admin) == []


async def test_passwords_are_for_who_keeps_contacts_and_a_file_of_them_is_bounded(files: Files) -> None:
    head = ("account", "label", "word")
    found = await files.imports.check(write_csv([head, ("0231", "a", "secret")]), "", actor=PEOPLE.installer)
    assert [one.error.code for one in found.wrong] == [ErrorCode.FORBIDDEN]
    many = [head, *(("0231", f"p{n}", f"secret{n}") for n in range(1_001))]
    with pytest.raises(TocsinError) as refused:
        await files.imports.check(write_csv(many), "", actor=PEOPLE.admin)
    assert refused.value.key == "import.many_words"
    with pytest.raises(TocsinError) as headless:  # the first line would be told as unknown columns
        await files.imports.check(write_csv([("0231", "owner of shop", "secret")]), "", actor=PEOPLE.admin)
    assert "secret" not in headless.value.detail
