"""Taking an import back: what it made and nobody has used since is retired, what it changed is as it was before.

Each line is judged by itself: what was changed or used since, or lies where the actor may not act, is left and named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain import account_desk, events, place_service, registry
from tocsin.domain import channels as channel_rules
from tocsin.domain.access import Actor, Permission
from tocsin.domain.accounts import PremisesPassword, read_day
from tocsin.domain.acts import guard
from tocsin.domain.cameras import managed_channel
from tocsin.domain.devices import Device, DeviceState
from tocsin.domain.import_keeping import Kept
from tocsin.domain.place_service import MANAGE

WORDS: Final = Words(
    {
        "import.left.changed": (
            "It was changed since. Change or retire it on its page.",
            "导入后已被修改，请在其页面中处理。",
        ),
        "import.left.used": (
            "It is in use: it has called, is being viewed, or has channels, zones or alarms. See its page.",
            "导入后已使用（设备已上线、正在查看，或已有通道、防区、警情），请在其页面中处理。",
        ),
        "import.left.occupied": (
            "Devices, cameras or zones stand there. Take those back first.",
            "仍有设备、摄像机或防区位于此处，请先撤回它们。",
        ),
        "import.left.gone": ("It is retired already.", "已停用，无需撤回。"),
        "import.left.refused": (
            "What is there now does not allow it. See its page.",
            "当前状态不允许撤回，请在其页面中处理。",
        ),
        "import.left.forbidden": ("It lies outside your area.", "不在您的辖区内。"),
        "import.undo_gone": (
            "This import cannot be taken back any more: a day has passed, or all of it was taken back.",
            "该导入已不能撤回：已超过一天，或已全部撤回。",
        ),
        "import.undo_runs": (
            "An import is being taken back. Wait until it has ended.",
            "正在撤回一次导入，请等其结束。",
        ),
    }
)


OF_ACCOUNT: Final = ("account", "contact", "note", "point", "password")
KINDS: Final = ("place", "device", "channel", "zone", *OF_ACCOUNT)


@dataclass(frozen=True, slots=True)
class Left:
    """A line that stays: `why` is a key of `WORDS` without its beginning."""

    line: int
    kind: str
    id: str
    name: str
    why: str


@dataclass(slots=True)
class Judged:
    """What can be taken back of some lines, with what is there now, and what stays."""

    free: list[tuple[Kept, Any]]
    left: list[Left]


def judge(tx: Any, actor: Actor, lines: Sequence[Kept]) -> Judged:
    """Say of each line whether it can be taken back now; nothing is changed."""
    found = _found(tx, lines)
    in_use = _in_use(tx, lines)
    judged = Judged([], [])
    for one in lines:
        known = found.get(one.subject_id)
        why = _why(actor, one, known, in_use)
        if why:
            judged.left.append(Left(one.line, one.kind, one.subject_id, _name(known), why))
        else:
            judged.free.append((one, known))
    return judged


def take_back(tx: Any, actor: Actor, import_id: str, lines: Sequence[Kept]) -> tuple[Judged, set[str]]:
    """Take lines back with a record for each object; return what was judged, and the devices to read again."""
    judged = judge(tx, actor, lines)
    new = [known for one, known in judged.free if (one.kind, one.act) == ("device", "create")]
    _retire(tx, actor, new)
    again = {device.id for device in new}
    done = []
    for one, known in judged.free:
        try:
            if (one.kind, one.act) != ("device", "create"):
                again |= _restore(tx, actor, one, known)
        except TocsinError as error:  # raised before anything of it was written
            if error.code is ErrorCode.UNAVAILABLE:
                raise
            judged.left.append(Left(one.line, one.kind, one.subject_id, _name(known), "refused"))
        else:
            done.append((one, known))
    judged.free = done
    tx.imports.drop(import_id, [one.line for one, _ in done])
    return judged, again


def _found(tx: Any, lines: Sequence[Kept]) -> Mapping[str, Any]:
    """Return what is there now of the things that lines name; of a zone, its device with it."""
    ids: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for one in lines:
        ids[one.kind].add(one.subject_id)
    found: dict[str, Any] = {**tx.places.load(ids["place"]), **tx.devices.load(ids["device"])}
    found |= tx.devices.load_channels(ids["channel"])
    where: Mapping[str, tuple[str, str]] = tx.imports.zone_places(ids["zone"] | ids["point"])
    devices = tx.devices.load({device_id for device_id, _ in where.values()})
    for zone_id, (device_id, number) in where.items():
        if zone_id in ids["zone"]:
            found[zone_id] = (devices[device_id], tx.devices.zone(device_id, number))
        elif (point := tx.accounts.points(device_id).get(zone_id)) is not None:
            found[zone_id] = (devices[device_id], point, number)
    of_account = {
        **tx.accounts.load_contacts(ids["contact"]),
        **tx.accounts.load_notes(ids["note"]),
        **tx.accounts.load_passwords(ids["password"]),
    }
    holders = tx.devices.load({one.device_id for one in of_account.values()} | ids["account"])
    found |= {one.id: (holders[one.device_id], one) for one in of_account.values()}
    found |= {one: (holders[one], tx.accounts.get(one)) for one in ids["account"] if one in holders}
    return found


def _in_use(tx: Any, lines: Sequence[Kept]) -> set[str]:
    made = {
        kind: [one.subject_id for one in lines if one.act == "create" and one.kind == kind]
        for kind in ("device", "place", "zone")
    }
    viewed = [one.subject_id for one in lines if one.kind == "channel"]
    found: set[str] = set(tx.imports.devices_in_use(made["device"]))
    found |= tx.imports.places_in_use(made["place"])
    found |= tx.imports.zones_in_use(made["zone"])
    found.update(channel for view in tx.views.live_of_channels(viewed) for channel in view.channels)
    return found


def _why(actor: Actor, one: Kept, known: Any, in_use: Collection[str]) -> str:
    """Return why a line stays; empty when it can be taken back."""
    if known is None:
        return "gone"
    holder, thing = known[:2] if isinstance(known, tuple) else (known, known)
    if holder.retired_at is not None:
        return "gone"
    try:
        needed = Permission.MANAGE_CONTACTS if one.kind in ("contact", "password") else MANAGE
        guard(actor, needed, one.kind, one.subject_id, holder.jurisdiction_code)
    except TocsinError:
        return "forbidden"
    if thing.version != one.version:
        return "changed"
    if one.subject_id in in_use:
        return "occupied" if one.kind == "place" else "used"
    return ""


def _name(known: Any) -> str:
    if known is None:
        return ""
    if isinstance(known, tuple):
        number = known[2] if len(known) > 2 else getattr(known[1], "number", "")
        return f"{known[0].name} {number}".strip()
    return str(known.name)


def _retire(tx: Any, actor: Actor, devices: Sequence[Device]) -> None:
    """Retire devices that were never used: one statement, a record for each."""
    if not devices:
        return
    tx.imports.retire_devices([device.id for device in devices], tx.now)
    tx.devices.close_faults(
        [fault.id for device in devices for fault in device.faults], round(tx.now.timestamp() * 1e6)
    )
    for known in devices:
        device = replace(
            known,
            retired_at=tx.now,
            state=DeviceState.OFFLINE,
            state_since=tx.now,
            version=known.version + 1,
            is_keyed=False,
            is_rolling_over=False,
            faults=(),
        )
        tx.record(
            events.DeviceRetired(
                subject_id=device.id,
                at=tx.now,
                jurisdiction_code=device.jurisdiction_code,
                actor=actor.ref,
                data=device.form(),
            )
        )


def _restore(tx: Any, actor: Actor, one: Kept, known: Any) -> set[str]:
    """Take one line back; return the devices the gateways must read again."""
    before = dict(one.before)
    if one.kind == "place":
        if one.act == "create":
            place_service.retire_place(tx, actor, tx.now, known.id, known.version)
        else:
            place_service.change_place(tx, actor, tx.now, known.id, before, known.version)
        return set()
    if one.kind == "zone":
        _restore_zone(tx, actor, one, *known)
        return set()
    if one.kind in OF_ACCOUNT:
        _restore_of_account(tx, actor, one, *known)
        return set()
    if one.kind == "channel":
        _restore_channel(tx, actor, known, before)
        return {known.device_id}
    is_secret_new = "secret" in before
    before.pop("secret", None)
    if before:
        known = registry.change_device(tx, actor, tx.now, known.id, before, known.version)
    if is_secret_new:
        registry.put_secret(tx, actor, tx.now, known, None)
    return {known.id}


def _restore_of_account(tx: Any, actor: Actor, one: Kept, device: Device, thing: Any, number: str = "") -> None:
    before: Any = dict(one.before)
    is_new = one.act == "create"
    if one.kind == "account":
        account_desk.change(tx, actor, tx.now, device.id, before, thing.version)
    elif one.kind == "contact" and is_new:
        account_desk.remove_contact(tx, actor, tx.now, thing.id, why="undone")
    elif one.kind == "contact":
        account_desk.change_contact(tx, actor, tx.now, thing.id, before, thing.version, None)
    elif one.kind == "note" and is_new:
        account_desk.remove_note(tx, actor, device.id, thing.id, why="undone")
    elif one.kind == "note":
        account_desk.change_note(tx, actor, thing, datetime.fromisoformat(before["until"]))
    elif one.kind == "point":
        account_desk.place_zone(tx, actor, device.id, number, before or None)
    else:
        old = None
        if not is_new:
            ends_on = read_day("ends_on", before["ends_on"])
            old = PremisesPassword(
                before["id"], device.id, before["label"], before["is_duress"], before["hash"], ends_on
            )
        account_desk.remove_password(tx, actor, device.id, thing.id, why="undone")
        if old is not None:
            account_desk.add_password(tx, actor, old)


def _restore_zone(tx: Any, actor: Actor, one: Kept, device: Device, zone: Any) -> None:
    if one.act == "create":
        tx.imports.remove_zone(zone.id)
        tx.record(
            events.ZoneRemoved(
                subject_id=device.id,
                at=tx.now,
                jurisdiction_code=device.jurisdiction_code,
                actor=actor.ref,
                data=device.form(),
                zone_id=zone.id,
                number=zone.number,
            )
        )
    elif "cameras" in one.before:
        cameras: Any = one.before["cameras"]
        registry.link_cameras(tx, actor, tx.now, device.id, zone.number, tuple(cameras), zone.version)
    else:
        registry.change_zone(tx, actor, tx.now, device.id, zone.number, one.before, zone.version)


def _restore_channel(tx: Any, actor: Actor, known: Any, before: dict[str, Any]) -> None:
    """Give a channel its values of before; one that the import put into service is only discovered again."""
    stage = before.pop("stage", known.stage)
    channel = managed_channel(tx, actor, known.id, known.version)
    changed = channel_rules.changed_channel(replace(channel, stage=stage), before)
    saved = tx.devices.save_channel(changed)
    names = [*before, *(["stage"] if stage != known.stage else [])]
    tx.record(
        events.ChannelChanged(
            subject_id=saved.id,
            at=tx.now,
            jurisdiction_code=saved.jurisdiction_code,
            actor=actor.ref,
            data=saved.form(),
            changed=tuple(sorted(names)),
            place_id=(saved.place_id or "") if saved.place_id != known.place_id else "",
        )
    )
