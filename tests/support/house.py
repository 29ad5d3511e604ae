"""A small town in a store: two jurisdictions, places, panels with zones, cameras, people, a plan and units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from tests.support.clocks import START
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.pinyin import search_text
from tocsin.domain.access import Actor, Role
from tocsin.domain.plans import Applies, DueFrom, Plan, PlanStep, StepKind
from tocsin.domain.signals import Signal
from tocsin.domain.units import Unit, UnitState
from tocsin.storage import tables_people, tables_registry

CITY, NORTH, SOUTH = "3301", "330110", "330111"
SCHOOL, SHOP, BANK = "place-school", "place-shop", "place-bank"
PANEL, SHOP_PANEL, BANK_PANEL, LONE_PANEL = "panel-school", "panel-shop", "panel-bank", "panel-lone"
WEST_GATE, YARD, ATTIC, BANK_HALL = "camera-west", "camera-yard", "camera-attic", "camera-bank"
CAR, FOOT, SOUTH_CAR = "unit-car", "unit-foot", "unit-south"
PLAN = "plan-intrusion"

PLAN_STEPS = (
    PlanStep("Look at the picture", "查看画面", StepKind.VIEW, mandatory=True, due_s=30),
    PlanStep("Decide", "判定", StepKind.VERDICT, mandatory=True, due_s=90),
    PlanStep(
        "Send a unit",
        "派警",
        StepKind.ASSIGN,
        mandatory=True,
        applies=Applies.GENUINE,
        due_s=60,
        due_from=DueFrom.PREVIOUS,
    ),
    PlanStep("Call the key-holder", "联系钥匙持有人", StepKind.CALL, mandatory=True, applies=Applies.GENUINE),
    PlanStep("Ask the guard", "请门卫查看", StepKind.CHECK, applies=Applies.UNSURE),
    PlanStep("Write down what was found", "记录情况", StepKind.NOTE, applies=Applies.GENUINE),
)


@dataclass(frozen=True)
class People:
    """Those who work here, as actors."""

    li: Actor
    wang: Actor
    chief: Actor
    south: Actor
    admin: Actor
    installer: Actor
    auditor: Actor


def _actor(id: str, role: Role, *codes: str, on_duty: bool = True) -> Actor:
    return Actor(id, f"{id.title()}", frozenset({role}), codes, is_on_duty=on_duty, seat="seat-1")


PEOPLE = People(
    li=_actor("li", Role.OPERATOR, NORTH),
    wang=_actor("wang", Role.OPERATOR, NORTH),
    chief=_actor("chief", Role.SUPERVISOR, CITY),
    south=_actor("south", Role.OPERATOR, SOUTH),
    admin=_actor("admin", Role.ADMINISTRATOR, CITY),
    installer=_actor("installer", Role.INSTALLER, NORTH),
    auditor=_actor("auditor", Role.AUDITOR, CITY),
)


def build_town(tx: Any) -> None:
    """Write the town."""
    put = tx.connection.execute
    put(
        insert(tables_registry.jurisdictions),
        [
            {
                "id": "j-city",
                "code": CITY,
                "short": "HC",
                "name": "河湾市",
                "name_en": "Hewan",
                "level": "city",
                "parent_id": None,
            },
            {
                "id": "j-north",
                "code": NORTH,
                "short": "HW",
                "name": "北区",
                "name_en": "North",
                "level": "county",
                "parent_id": "j-city",
            },
            {
                "id": "j-south",
                "code": SOUTH,
                "short": "HN",
                "name": "南区",
                "name_en": "South",
                "level": "county",
                "parent_id": "j-city",
            },
        ],
    )
    put(
        insert(tables_registry.places),
        [
            _place(SCHOOL, "j-north", NORTH, "新华小学", "Xinhua School", "school"),
            _place(SHOP, "j-north", NORTH, "河边商店", "Riverside Shop", "shop"),
            _place(BANK, "j-south", SOUTH, "南街银行", "South Street Bank", "bank"),
        ],
    )
    put(
        insert(tables_registry.devices),
        [
            _device(PANEL, "j-north", NORTH, SCHOOL, "0231", "学校主机", "School panel"),
            _device(SHOP_PANEL, "j-north", NORTH, SHOP, "0232", "商店主机", "Shop panel"),
            _device(BANK_PANEL, "j-south", SOUTH, BANK, "0233", "银行主机", "Bank panel"),
            _device(LONE_PANEL, "j-north", NORTH, None, "0234", "移动主机", "Mobile panel"),
            _device("cam-1", "j-north", NORTH, SCHOOL, "", "摄像机", "Camera", kind="camera"),
        ],
    )
    put(
        insert(tables_registry.zones),
        [
            {"id": "zone-4", "device_id": PANEL, "number": "4", "name": "西门红外", "name_en": "West gate infrared"},
            {"id": "zone-5", "device_id": PANEL, "number": "5", "name": "西门门磁", "name_en": "West gate contact"},
            {"id": "zone-b1", "device_id": BANK_PANEL, "number": "1", "name": "大厅", "name_en": "Hall"},
        ],
    )
    put(
        insert(tables_registry.channels),
        [
            _channel(WEST_GATE, "j-north", NORTH, "in_service"),
            _channel(YARD, "j-north", NORTH, "in_service"),
            _channel(ATTIC, "j-north", NORTH, "discovered"),
            _channel(BANK_HALL, "j-south", SOUTH, "in_service"),
        ],
    )
    put(
        insert(tables_registry.zone_cameras),
        [
            {"zone_id": "zone-4", "channel_id": WEST_GATE, "rank": 0},
            {"zone_id": "zone-4", "channel_id": ATTIC, "rank": 2},
            {"zone_id": "zone-5", "channel_id": YARD, "rank": 1},
            {"zone_id": "zone-b1", "channel_id": BANK_HALL, "rank": 0},
        ],
    )
    put(
        insert(tables_people.users),
        [
            {
                "id": name,
                "username": name,
                "name": name.title(),
                "password_hash": "x",
                "roles": "[]",
                "jurisdiction_ids": "[]",
            }
            for name in ("li", "wang", "chief", "south", "admin", "installer", "auditor")
        ],
    )
    tx.plans.add(Plan(PLAN, "入侵报警", "Intrusion", kind="burglary", steps=PLAN_STEPS), START, "chief")
    for unit_id, call_sign, code in ((CAR, "M21", NORTH), (FOOT, "F03", NORTH), (SOUTH_CAR, "M31", SOUTH)):
        tx.units.add(
            Unit(
                unit_id,
                f"巡逻 {call_sign}",
                call_sign,
                "car",
                "j-north" if code == NORTH else "j-south",
                code,
                state=UnitState.AVAILABLE,
            )
        )


def _place(id: str, jurisdiction: str, code: str, name: str, name_en: str, kind: str) -> dict[str, Any]:
    return {
        "id": id,
        "jurisdiction_id": jurisdiction,
        "jurisdiction_code": code,
        "name": name,
        "name_en": name_en,
        "search": search_text(name, name_en),
        "class": kind,
        "lon": 120.1,
        "lat": 30.2,
    }


def _device(
    id: str, jurisdiction: str, code: str, place: str | None, account: str, name: str, name_en: str, kind: str = "panel"
) -> dict[str, Any]:
    return {
        "id": id,
        "kind": kind,
        "name": name,
        "name_en": name_en,
        "search": search_text(name, name_en, account),
        "place_id": place,
        "jurisdiction_id": jurisdiction,
        "jurisdiction_code": code,
        "protocol": "dc09",
        "account": account,
    }


def _channel(id: str, jurisdiction: str, code: str, stage: str) -> dict[str, Any]:
    return {
        "id": id,
        "device_id": "cam-1",
        "gb_id": id,
        "name": id,
        "jurisdiction_id": jurisdiction,
        "jurisdiction_code": code,
        "stage": stage,
    }


def burglary(zone: str = "004", *, kind: EventKind = EventKind.ALARM, **changes: Any) -> NormalEvent:
    """An intrusion, or its restore."""
    given: dict[str, Any] = {
        "code_system": "cid",
        "code": "1130",
        "kind": kind,
        "category": Category.BURGLARY,
        "priority": 2 if kind is EventKind.ALARM else 9,
        "label_en": "Burglary",
        "label_zh": "入侵报警",
        "area": "01",
        "zone": zone,
    }
    return NormalEvent(**{**given, **changes})


def event(kind: EventKind, category: Category, priority: int, zone: str = "", **changes: Any) -> NormalEvent:
    """Any other event."""
    return NormalEvent("cid", "9999", kind, category, priority, category.value, category.value, zone=zone, **changes)


def signal_of(
    *events: NormalEvent,
    device_id: str | None = PANEL,
    after_s: float = 0,
    key: str = "",
    account: str = "0231",
    **changes: Any,
) -> Signal:
    """A DC-09 signal, `after_s` seconds after the fixed clock's start."""
    received_at: datetime = START + timedelta(seconds=after_s)
    given: dict[str, Any] = {
        "protocol": "dc09",
        "transport": "tcp",
        "peer": "127.0.0.1:40112",
        "account": account,
        "raw": b"\n1234\r",
        "received_at": received_at,
        "device_id": device_id,
        "token": "ADM-CID",
        "sent_at": received_at,
        "dedup_key": key,
        "events": events,
    }
    return Signal(**{**given, **changes})
