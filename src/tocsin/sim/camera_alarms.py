"""The alarm side of a simulated device: alarms by MESSAGE or NOTIFY, subscription, reset, guard and duty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from tocsin.protocols.gb28181.alarm_commands import Duty, alarm_notify
from tocsin.protocols.gb28181.manscdp import Document, Pair, result_response
from tocsin.protocols.gb28181.video_upload import video_upload_notify
from tocsin.protocols.sip.message import Request, expires_of
from tocsin.sim.camera_plan import Quirk

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera

DEVICE_METHOD: Final = "2"
LONGEST_EXPIRES_S: Final = 3600
_BEIJING: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class SimAlarm:
    """One alarm to be sent; an empty `source` is the device itself. `extra` goes into the document as it is."""

    method: str = DEVICE_METHOD
    type: str = ""
    source: str = ""
    priority: int = 1
    text: str = ""
    type_param: str = ""
    extra: tuple[Pair, ...] = ()


@dataclass(slots=True)
class _Subscribed:
    call_id: str
    server_tag: str
    own_tag: str
    ends_at: float


class SimAlarms:
    """What a device knows of alarms: who subscribed, whether it is armed, and whether it waits for a reset."""

    def __init__(self, camera: SimCamera) -> None:
        self._camera = camera
        self._subscribed: _Subscribed | None = None
        self._is_set = Quirk.NEEDS_GUARD not in camera.plan.quirks
        self._waits_for_reset = False
        self._is_in_alarm = False
        self.clock_ahead_s = 0.0

    @property
    def is_subscribed(self) -> bool:
        """True while a subscription lasts."""
        return self._subscribed is not None and self._camera.clock.monotonic() < self._subscribed.ends_at

    @property
    def is_set(self) -> bool:
        """True while the device is armed."""
        return self._is_set

    def forget(self) -> None:
        """Lose the subscription, as a reboot does."""
        self._subscribed = None

    async def raise_alarm(self, alarm: SimAlarm) -> int:
        """Send an alarm, by NOTIFY when somebody subscribed; return the last status, 0 when none came or none left.

        A device that waits for its reset, or is not armed, sends nothing.
        """
        camera, quirks = self._camera, self._camera.plan.quirks
        if not self._is_set or (self._waits_for_reset and alarm.method == DEVICE_METHOD):
            camera.report.alarms_withheld += 1
            return 0
        if Quirk.NEEDS_RESET in quirks and alarm.method == DEVICE_METHOD:
            self._waits_for_reset = True
        self._is_in_alarm = self._is_in_alarm or alarm.method == DEVICE_METHOD
        body = self._document(alarm)
        requests = [self._notification(body)] if self.is_subscribed else [camera.outgoing("MESSAGE", body)]
        if self.is_subscribed and Quirk.ALARM_BOTH_WAYS in quirks:
            requests.append(camera.outgoing("MESSAGE", body))
        status = 0
        for request in requests:
            camera.report.alarms_sent += 1
            response = await camera.wire.transact(request)
            status = response.status if response is not None else 0
            camera.report.alarms_answered += status == 200
        return status

    def subscribe(self, request: Request) -> None:
        """Take, renew or end a subscription."""
        camera, quirks = self._camera, self._camera.plan.quirks
        camera.report.subscriptions += 1
        if Quirk.SILENT_TO_SUBSCRIBE in quirks:
            return
        if Quirk.REFUSES_SUBSCRIBE in quirks:
            camera.reply(request, 489)
            return
        known = self._subscribed
        is_known = known is not None and known.call_id == request.call_id and Quirk.FORGETS_SUBSCRIPTION not in quirks
        if request.to_tag and not is_known:
            camera.reply(request, 481)
            return
        expires_s = min(LONGEST_EXPIRES_S, expires_of(request) or 0)
        tag = request.to_tag or camera.new_word()[:8]
        camera.reply(request, 200, tag=tag, headers=[("Expires", str(expires_s)), ("Contact", f"<{camera.contact}>")])
        if expires_s == 0:
            self._subscribed = None
            return
        ends_at = camera.clock.monotonic() + expires_s
        self._subscribed = _Subscribed(request.call_id, request.from_tag, tag, ends_at)
        if Quirk.EMPTY_FIRST_NOTIFY in quirks:
            camera.start(camera.wire.transact(self._notification(b"")))

    def take(self, document: Document) -> bool:
        """Take a document about alarms; False when it is about something else."""
        camera, command = self._camera, document.cmd_type.lower()
        if document.kind == "response" and command == "alarm":
            camera.report.alarms_confirmed += 1
            return True
        if document.kind == "query" and command == "devicestatus":
            camera.start(self._tell_status(document))
            return True
        if document.kind != "control" or command != "devicecontrol":
            return False
        is_reset = document.root.get("AlarmCmd") == "ResetAlarm"
        guard = document.root.get("GuardCmd")
        if not is_reset and not guard:
            return False
        camera.report.resets += is_reset
        camera.report.guards += bool(guard)
        refuses = Quirk.REFUSES_ALARM_COMMAND in camera.plan.quirks
        if not refuses and is_reset:
            self._waits_for_reset = self._is_in_alarm = False
        if not refuses and guard:
            self._is_set = guard == "SetGuard"
        if Quirk.SILENT_TO_ALARM_COMMAND not in camera.plan.quirks:
            body = result_response(
                "DeviceControl", document.sn or 0, document.device_id, is_ok=not refuses, label=camera.label
            )
            camera.start(camera.wire.transact(camera.outgoing("MESSAGE", body)))
        return True

    async def ask_for_watching(
        self, source: str = "", *, lon: float | None = None, lat: float | None = None, extra: tuple[Pair, ...] = ()
    ) -> int:
        """Ask the platform to take the picture (2022); return the status, 0 when none came."""
        camera = self._camera
        body = video_upload_notify(
            camera.next_sn(),
            source or camera.plan.gb_id,
            self._time().strftime("%Y-%m-%dT%H:%M:%S"),
            lon=lon,
            lat=lat,
            extra=extra,
            label=camera.label,
        )
        response = await camera.wire.transact(camera.outgoing("MESSAGE", body))
        return response.status if response is not None else 0

    def _time(self) -> datetime:
        """Return what the device's own clock shows: `clock_ahead_s` ahead, in UTC when that is its quirk."""
        camera = self._camera
        zone = UTC if Quirk.CLOCK_IS_UTC in camera.plan.quirks else _BEIJING
        return (camera.clock.now() + timedelta(seconds=self.clock_ahead_s)).astimezone(zone)

    async def _tell_status(self, query: Document) -> None:
        camera = self._camera
        if query.device_id != camera.plan.gb_id:
            state: list[Pair] = [
                ("Online", "ONLINE" if camera.watched.is_on(query.device_id) else "OFFLINE"),
                ("Status", "OK"),
            ]
            body = result_response("DeviceStatus", query.sn or 0, query.device_id, state, label=camera.label)
            await camera.wire.transact(camera.outgoing("MESSAGE", body))
            return
        now = self._time().strftime("%Y-%m-%dT%H:%M:%S")
        duty = Duty.ALARM if self._is_in_alarm else Duty.ON if self._is_set else Duty.OFF
        item: list[Pair] = [("DeviceID", camera.plan.gb_id), ("DutyStatus", duty.value)]
        fields: list[Pair] = [
            ("Online", "ONLINE"),
            ("Status", "OK"),
            ("Record", "OFF"),
            ("DeviceTime", now),
            ("Alarmstatus", [("Item", item)]),
        ]
        body = result_response("DeviceStatus", query.sn or 0, camera.plan.gb_id, fields, label=camera.label)
        await camera.wire.transact(camera.outgoing("MESSAGE", body))

    def _notification(self, body: bytes) -> Request:
        camera, known = self._camera, self._subscribed
        if known is None or Quirk.NOTIFY_OUTSIDE_DIALOG in camera.plan.quirks:
            return camera.outgoing("NOTIFY", body, headers=[("Event", "presence")])
        left_s = max(0, round(known.ends_at - camera.clock.monotonic()))
        return camera.outgoing(
            "NOTIFY",
            body,
            call_id=known.call_id,
            own_tag=known.own_tag,
            server_tag=known.server_tag,
            headers=[("Event", "presence"), ("Subscription-State", f"active;expires={left_s}")],
        )

    def _document(self, alarm: SimAlarm) -> bytes:
        camera, quirks = self._camera, self._camera.plan.quirks
        at = self._time()
        time_text = at.strftime("%Y-%m-%dT%H:%M:%S")
        if Quirk.ALARM_LOOSE_TIME in quirks:
            time_text = f"{at.year}-{at.month}-{at.day} {at.hour}:{at.minute}:{at.second}"
        param: list[Pair] = [("EventType", alarm.type_param)]
        info: list[Pair] = [("AlarmType", alarm.type or None), ("AlarmTypeParam", param if alarm.type_param else None)]
        fields: list[Pair] = [
            ("AlarmPriority", alarm.priority),
            ("AlarmMethod", None if Quirk.ALARM_NO_METHOD in quirks else alarm.method),
            ("AlarmTime", time_text),
            ("AlarmDescription", alarm.text or None),
            *alarm.extra,
        ]
        if alarm.type:
            fields.append(("info" if Quirk.ALARM_LOWER_CASE_INFO in quirks else "Info", info))
        sn = None if Quirk.MISSING_SN in quirks else camera.next_sn()
        return alarm_notify(sn, alarm.source or camera.plan.gb_id, fields, camera.label)
