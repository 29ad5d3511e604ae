"""Accounts and contacts from files and into files: what is taken out comes back the same; imports are taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.house import BANK_PANEL, PANEL, PEOPLE, SHOP_PANEL, build_town
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import write_csv, write_xlsx
from tocsin.base.vault import Vault
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.cameras import ChannelService
from tocsin.domain.directory import Directory
from tocsin.domain.import_service import Import, ImportService
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.place_service import PlaceService
from tocsin.domain.registry import DeviceService
from tocsin.storage.store import AnyStore

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
        self.accounts = AccountFiles(store, clock)
        self.imports = ImportService(
            store, clock, PlaceService(store, clock), devices, ChannelService(store, clock, directory), self.accounts
        )
        self.undo = ImportUndo(store, devices, self.imports.is_entered)

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
    assert {row[0]: row[5:] for row in table[1:]}[PANEL] == ("教育局", "侧门")
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
