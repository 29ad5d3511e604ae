"""One GB/T 28181 device asked: how it is, how it is set; and setting it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.device_desk import DeviceDesk, not_possible
from tocsin.web.api.shapes import Filter, In, Out, reply
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]


class ConfigIn(In):
    """What to set, in the standard's words; lists without their counts.

    Of the device: BasicParam. Of one channel (2022): FrameMirror, AlarmReport, OSDConfig, PictureMask,
    VideoRecordPlan, VideoAlarmRecord, VideoParamAttribute.
    """

    type: Annotated[str, Field(max_length=32, examples=["BasicParam"])]
    values: Annotated[dict[str, Any], Field(examples=[{"HeartBeatInterval": 30}])]
    channel_id: Annotated[str, Field(max_length=36)] = ""


class Condition(Out):
    """How a device says it is; null and empty where it does not. `clock_diff_s` is its clock minus ours."""

    maker: str
    model: str
    firmware: str
    channels: int | None
    is_online: bool | None
    is_recording: bool | None
    is_encoding: bool | None
    reason: str
    clock_diff_s: float | None


class Configuration(Out):
    """Values by type as the device names them; inner ones by path."""

    values: dict[str, dict[str, str]]


class ConfigAct(Out):
    """What came of setting a device: done or unconfirmed."""

    outcome: str


@router.get("/{device_id}/condition", response_model=Condition)
async def read_condition(device_id: str, house: House, actor: Reader) -> Response:
    """Ask a GB/T 28181 device who made it and how it is. Errors: not_found, conflict, unavailable."""
    return reply((await _desk(house).condition(device_id, actor=actor)).form())


@router.get("/{device_id}/configuration", response_model=Configuration)
async def read_configuration(device_id: str, house: House, actor: Reader, channel_id: Filter = "") -> Response:
    """Ask a GB/T 28181 device, or one channel of it, how it is set. Errors: not_found, conflict, unavailable."""
    found = await _desk(house).configuration(device_id, actor=actor, channel_id=channel_id)
    return reply({"values": found})


@router.post("/{device_id}/configuration", response_model=ConfigAct)
async def configure(device_id: str, house: House, actor: Keeper, body: ConfigIn) -> Response:
    """Set a GB/T 28181 device; `unconfirmed`: it took the command and said nothing of the result.

    Errors: invalid, not_found, conflict when it refuses, unavailable when it cannot be reached.
    """
    outcome = await _desk(house).configure(device_id, body.type, body.values, actor=actor, channel_id=body.channel_id)
    return reply({"outcome": outcome.value})


def _desk(house: Any) -> DeviceDesk:
    if house.desk is None:
        raise not_possible()
    desk: DeviceDesk = house.desk
    return desk
