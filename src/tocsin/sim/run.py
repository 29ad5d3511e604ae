"""`tocsin simulate`: one panel or many, one camera or many, or the town. The last line on stdout is one JSON object."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_token
from tocsin.protocols.dc09.crypto import KEY_SIZES_BYTES, AesKey
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.history_sdp import HistoryWish
from tocsin.protocols.gb28181.ids import is_acceptable, make_id
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Transport
from tocsin.sim import cap, city_run, intercom_run, ip_camera_run, mqtt, platform_run, receiver, terminal, webhook
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_alarms import SimAlarm
from tocsin.sim.camera_fleet import FleetPlan, run_cameras
from tocsin.sim.camera_plan import CameraPlan, CameraReport, Quirk
from tocsin.sim.camera_quirks import picture_quirks
from tocsin.sim.camera_recordings import RecordingSenders, make_recordings
from tocsin.sim.camera_wire import Wire
from tocsin.sim.open_files import make_room
from tocsin.sim.panel import CodeForm, PanelPlan, SimEvent, Storm, run_panels
from tocsin.sim.panel_profiles import PROFILES
from tocsin.sim.picture import PictureSender, PictureSpec, make_sender
from tocsin.sim.recording_picture import RecordingSender
from tocsin.sim.town import SIGN_OFF_S, Town, read_town

CHANNEL_TYPE = 131
PICTURE_FAULTS = (
    *("no_signal", "black", "dark", "bright", "covered", "part_cover"),
    *("blur", "cast", "noise", "stripes", "frozen", "moved"),
)


def add_arguments(kinds: Any) -> None:
    """Add the parsers of panel, camera and town to `tocsin simulate`."""
    _add_panel(kinds)
    _add_camera(kinds)
    _add_town(kinds)
    receiver.add_arguments(kinds).set_defaults(run=_receiver)
    platform_run.add_arguments(kinds).set_defaults(run=_platform)
    ip_camera_run.add_arguments(kinds).set_defaults(run=_ip_camera)
    webhook.add_arguments(kinds).set_defaults(run=_webhook)
    cap.add_arguments(kinds).set_defaults(run=_cap)
    mqtt.add_arguments(kinds).set_defaults(run=_mqtt)
    terminal.add_arguments(kinds).set_defaults(run=_terminal)
    intercom_run.add_arguments(kinds, _address).set_defaults(run=_intercom)


async def until_told(work: Callable[[asyncio.Event], Awaitable[None]], seconds: float | None) -> None:
    """Run `work(ended)`; `ended` is set by SIGINT, SIGTERM or after `seconds`."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    timer = loop.call_later(seconds, ended.set) if seconds is not None else None
    try:
        await work(ended)
    finally:
        if timer is not None:
            timer.cancel()


def _report(figures: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(figures, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("must be HOST:PORT")
    return host.strip("[]"), int(port)


# --- panels -----------------------------------------------------------------------------------------------------------


def _add_panel(kinds: Any) -> None:
    parser = kinds.add_parser("panel", help="alarm panels over SIA DC-09")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=10500)
    parser.add_argument("--transport", choices=("tcp", "udp"), default="tcp")
    parser.add_argument("--account", default="1234", help="account of the first panel (default: 1234)")
    parser.add_argument("--panels", type=int, default=1, metavar="N", help="so many panels, accounts counted upwards")
    parser.add_argument("--key", metavar="HEX", help="AES key of every panel: 32, 48 or 64 hex digits")
    parser.add_argument(
        "--keyed-share", type=float, default=1.0, metavar="S", help="share of the panels that use the key"
    )
    parser.add_argument("--form", choices=[form.value for form in CodeForm], default="sia")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), default="standard", help="make whose habits are imitated"
    )
    parser.add_argument("--event", metavar="CODE", help="two-letter SIA code to send (default: a seeded mix)")
    parser.add_argument("--zone", default="1", help="zone of --event (default: 1)")
    parser.add_argument("--area", default="1", help="area of --event (default: 1)")
    parser.add_argument("--text", default="", help="text of --event")
    parser.add_argument("--events", type=int, metavar="N", help="end after so many events (default: 1 with --event)")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds")
    parser.add_argument(
        "--rate", type=float, default=1.0, metavar="R", help="events a second; 0 as fast as answers come"
    )
    parser.add_argument("--poll", type=float, default=60.0, metavar="S", help="supervision interval; 0 never polls")
    parser.add_argument("--connections", type=int, default=0, metavar="N", help="shared lines; 0 is one for each panel")
    parser.add_argument(
        "--at-a-time", type=int, default=1, metavar="N", help="events a panel has under way (default: 1)"
    )
    parser.add_argument(
        "--clock-offset", type=float, default=0.0, metavar="S", help="how far the panels' clock is ahead"
    )
    parser.add_argument(
        "--storm", metavar="CODE", help="every panel reports CODE once within a minute, as in a power cut"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_panel)


def _panel(arguments: argparse.Namespace) -> int:
    accounts = _accounts(arguments.account, arguments.panels)
    events = arguments.events
    if events is None and arguments.seconds is None:
        events = len(accounts) if arguments.event else None
        if events is None:
            raise TocsinError(ErrorCode.INVALID, "say when to end: --events N, --seconds S, or one --event CODE")
    event = None
    if arguments.event:
        event = SimEvent(arguments.event.upper(), area=arguments.area, zone=arguments.zone, text=arguments.text)
    plan = PanelPlan(
        host=arguments.host,
        port=arguments.port,
        transport=arguments.transport,
        accounts=accounts,
        keys=_keys(arguments.key, accounts, arguments.keyed_share),
        form=CodeForm(arguments.form),
        profile=arguments.profile,
        event=event,
        events=events,
        seconds=arguments.seconds,
        rate_per_s=arguments.rate,
        poll_interval_s=arguments.poll,
        connections=arguments.connections,
        events_at_a_time=arguments.at_a_time,
        clock_offset_s=arguments.clock_offset,
        storms=(Storm(arguments.storm.upper()),) if arguments.storm else (),
        seed=arguments.seed,
    )
    make_room(min(plan.connections or len(accounts), len(accounts)))
    try:
        report = asyncio.run(run_panels(plan))
    except OSError as error:
        raise TocsinError(
            ErrorCode.UNAVAILABLE, f"no receiver at {plan.host}:{plan.port}/{plan.transport}: {error}"
        ) from error
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, str(error)) from error
    _report(report.to_json())
    return 0 if report.sent == report.acknowledged else 1


def _accounts(first: str, count: int) -> tuple[str, ...]:
    if count == 1:
        return (first,)
    try:
        number = int(first, 16)
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, "many panels need an --account in hex digits to count from") from error
    return tuple(f"{number + offset:0{len(first)}X}" for offset in range(count))


def _keys(text: str | None, accounts: tuple[str, ...], share: float) -> dict[str, AesKey]:
    if not text:
        return {}
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) not in KEY_SIZES_BYTES:
        raise TocsinError(ErrorCode.INVALID, "--key has 32, 48 or 64 hex digits")
    key = AesKey(octets)
    return dict.fromkeys(accounts[: round(len(accounts) * share)], key)


def _receiver(arguments: argparse.Namespace) -> int:
    report = receiver.run(arguments)
    _report(report.to_json())
    return 0 if report.sent == report.acknowledged else 1


# --- cameras ----------------------------------------------------------------------------------------------------------


def _add_camera(kinds: Any) -> None:
    parser = kinds.add_parser("camera", help="cameras over GB/T 28181 that draw their own street")
    parser.add_argument("--server", type=_address, default=("127.0.0.1", 5060), metavar="HOST:PORT")
    parser.add_argument("--transport", choices=[transport.value for transport in Transport], default="udp")
    parser.add_argument("--id", default="34020000001320000001", help="20-digit id of the (first) device")
    parser.add_argument("--password", default="", help="digest password of the device")
    parser.add_argument("--username", default="", help="digest user (default: the id)")
    parser.add_argument("--server-id", default="34020000002000000001")
    parser.add_argument("--realm", default="3402000000")
    parser.add_argument("--channels", type=int, default=1, metavar="N", help="pictures of the device (default: 1)")
    parser.add_argument("--pages-under-way", type=int, default=1, metavar="N", help="catalogue pages sent at a time")
    parser.add_argument(
        "--loss", type=float, default=0.0, metavar="SHARE", help="share of signalling datagrams lost each way (0.02)"
    )
    parser.add_argument(
        "--answers", action="store_true", help="--devices answer questions too, each with a catalogue of one picture"
    )
    parser.add_argument(
        "--devices", type=int, default=1, metavar="N", help="so many devices that only register and keep alive"
    )
    parser.add_argument(
        "--rate", type=float, default=0.0, metavar="R", help="keepalives a second of all --devices; 0 is most"
    )
    parser.add_argument("--codec", choices=("h264", "h265"), default="h264")
    parser.add_argument("--size", default="960x540", metavar="WxH")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--bitrate", type=int, default=1_500_000, metavar="BPS")
    parser.add_argument("--audio", action="store_true", help="send G.711 sound as well")
    parser.add_argument("--loop", action="store_true", help="repeat two seconds instead of encoding live: far cheaper")
    parser.add_argument(
        "--picture-fault",
        default="",
        choices=PICTURE_FAULTS,
        metavar="NAME",
        help=f"what is wrong with the picture: {', '.join(PICTURE_FAULTS)}",
    )
    parser.add_argument("--severity", type=float, default=1.0, metavar="S", help="of the fault, 0 to 1 (default: 1)")
    parser.add_argument(
        "--fault-after", type=float, default=0.0, metavar="S", help="seconds of a good picture before it (default: 0)"
    )
    parser.add_argument("--keepalive", type=float, default=60.0, metavar="S")
    parser.add_argument(
        "--recorded-days", type=int, default=3, metavar="N", help="days of recordings the device has (default: 3)"
    )
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        choices=[quirk.value for quirk in Quirk],
        metavar="NAME",
        help=f"an oddity of the field, may be repeated: {', '.join(quirk.value for quirk in Quirk)}",
    )
    parser.add_argument(
        "--alarm",
        action="append",
        default=[],
        metavar="METHOD[/TYPE][@ID]",
        help="an alarm to raise, such as 2/2 (tamper) or 5/2@34020000001310000001; may be repeated",
    )
    parser.add_argument("--alarm-after", type=float, default=3.0, metavar="S", help="seconds to the first (default: 3)")
    parser.add_argument(
        "--alarm-every", type=float, default=0.0, metavar="S", help="raise them again and again; 0: once"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds (default: Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_camera)


def _camera(arguments: argparse.Namespace) -> int:
    if arguments.devices > 1:
        return _fleet(arguments)
    alarms = tuple(_alarm_of(text) for text in arguments.alarm)
    if arguments.alarm_after < 0 or arguments.alarm_every < 0:
        raise TocsinError(ErrorCode.INVALID, "--alarm-after and --alarm-every are seconds, 0 or more")
    width, _, height = arguments.size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise TocsinError(ErrorCode.INVALID, "--size is WIDTHxHEIGHT, such as 960x540")
    if arguments.picture_fault and arguments.loop:
        raise TocsinError(ErrorCode.INVALID, "--picture-fault needs a live encoder: leave --loop out")
    device_id = arguments.id
    ids = [make_id(device_id[:10], CHANNEL_TYPE, int(device_id[-4:]) * 100 + n + 1) for n in range(arguments.channels)]
    plan = CameraPlan(
        gb_id=device_id,
        password=arguments.password,
        username=arguments.username,
        server_id=arguments.server_id,
        realm=arguments.realm,
        channels=tuple(CatalogItem(gb_id, f"Channel {n + 1}", is_online=True) for n, gb_id in enumerate(ids)),
        page_window=max(1, arguments.pages_under_way),
        keepalive_s=arguments.keepalive,
        quirks=frozenset(Quirk(word) for word in arguments.quirk),
        recordings=make_recordings(ids, SystemClock().now(), days=arguments.recorded_days, seed=arguments.seed),
    )

    def _spec(gb_id: str) -> PictureSpec:
        return PictureSpec(
            seed=arguments.seed * 100 + (ids.index(gb_id) if gb_id in ids else 0),
            name=gb_id[-6:],
            codec=arguments.codec,
            width=int(width),
            height=int(height),
            fps=arguments.fps,
            bitrate_bps=arguments.bitrate,
            audio=arguments.audio,
            live_encoder=not arguments.loop,
            fault=arguments.picture_fault,
            severity=min(1.0, max(0.0, arguments.severity)),
            fault_after_s=arguments.fault_after,
            quirks=picture_quirks(plan.quirks),
        )

    def _sender(gb_id: str) -> PictureSender:
        return make_sender(_spec(gb_id))

    def _recorder(
        gb_id: str, wish: HistoryWish, files: Sequence[Recording], on_end: Callable[[bool], None]
    ) -> RecordingSender:
        restamps = Quirk.RESTAMPS_PLAYBACK in plan.quirks
        return RecordingSender(_spec(gb_id), SystemClock(), wish, files, on_end, restamps=restamps)

    reports: list[CameraReport] = []

    async def _work(ended: asyncio.Event) -> None:
        transport = Transport(arguments.transport)
        times = (arguments.alarm_after, arguments.alarm_every)
        server, loss = arguments.server, arguments.loss
        reports.append(await _live_camera(plan, server, transport, _sender, ended, alarms, times, _recorder, loss))

    try:
        asyncio.run(until_told(_work, arguments.seconds))
    except OSError as error:
        host, port = arguments.server
        raise TocsinError(
            ErrorCode.UNAVAILABLE, f"no server at {host}:{port}/{arguments.transport}: {error}"
        ) from error
    _report({name: _figure(value) for name, value in asdict(reports[0]).items()})
    return 0 if reports[0].registrations else 1


def _alarm_of(text: str) -> SimAlarm:
    what, _, source = text.partition("@")
    method, _, kind = what.partition("/")
    if not (method.isascii() and method.isdigit() and (not source or is_acceptable(source))):
        raise TocsinError(ErrorCode.INVALID, f"--alarm {text!r} is not METHOD[/TYPE][@ID], such as 2/2")
    return SimAlarm(method, kind, source, text=f"simulated alarm {what}")


async def _raise_alarms(
    camera: SimCamera, clock: Clock, alarms: Sequence[SimAlarm], times: tuple[float, float]
) -> None:
    """Raise the alarms in turn, `times` = (seconds to the first round, seconds between rounds; 0: one round)."""
    after_s, every_s = times
    await camera.wait_registered()
    await clock.sleep(after_s)
    while True:
        for alarm in alarms:
            await camera.alarms.raise_alarm(alarm)
        if not every_s:
            return
        await clock.sleep(every_s)


async def _live_camera(
    plan: CameraPlan,
    server: tuple[str, int],
    transport: Transport,
    sender: Callable[[str], PictureSender],
    ended: asyncio.Event,
    alarms: Sequence[SimAlarm],
    times: tuple[float, float],
    recorder: RecordingSenders | None = None,
    loss: float = 0.0,
) -> CameraReport:
    clock = SystemClock()
    wire = Wire(server, transport, clock, loss=loss)
    await wire.open()
    camera = SimCamera(plan, wire, clock, new_token, sender, recorder)
    life = asyncio.create_task(camera.run())
    waiting = asyncio.create_task(ended.wait())
    if alarms:
        camera.start(_raise_alarms(camera, clock, alarms, times))
    try:
        await asyncio.wait([life, waiting], return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            life.result()
        if camera.is_registered:
            await asyncio.wait([asyncio.create_task(camera.sign_off())], timeout=SIGN_OFF_S)
    finally:
        for task in (life, waiting):
            task.cancel()
        await asyncio.gather(life, waiting, return_exceptions=True)
        await camera.stop()
        await wire.close()
    return camera.report


def _figure(value: Any) -> Any:
    """Return a list of latencies as its median and maximum; anything else as it is."""
    if isinstance(value, list) and value and isinstance(value[0], float):
        ordered = sorted(value)
        return {"p50": round(ordered[len(ordered) // 2], 2), "max": round(ordered[-1], 2)}
    return value


def _fleet(arguments: argparse.Namespace) -> int:
    device_id = arguments.id
    plan = FleetPlan(
        server=arguments.server,
        password=arguments.password,
        count=arguments.devices,
        domain=device_id[:10],
        type_code=int(device_id[10:13]),
        first_serial=int(device_id[14:]),
        server_id=arguments.server_id,
        realm=arguments.realm,
        rate_per_s=arguments.rate,
        answers=arguments.answers,
        duration_s=arguments.seconds if arguments.seconds is not None else 10.0,
    )
    report = asyncio.run(run_cameras(plan, SystemClock(), new_token))
    _report(report.as_dict())
    return 0 if report.registered == report.devices else 1


# --- an upper platform ------------------------------------------------------------------------------------------------


def _platform(arguments: argparse.Namespace) -> int:
    figures: dict[str, Any] = {}

    async def work(ended: asyncio.Event) -> None:
        figures.update(await platform_run.run_platform(arguments, ended))

    asyncio.run(until_told(work, None))
    _report(figures)
    return 0 if figures["registered"] and all(view["pictures"] for view in figures.get("views", ())) else 1


# --- the town ---------------------------------------------------------------------------------------------------------


def _ip_camera(arguments: argparse.Namespace) -> int:
    return ip_camera_run.run(arguments, until_told, _report)


def _webhook(arguments: argparse.Namespace) -> int:
    return webhook.run(arguments, until_told, _report)


def _cap(arguments: argparse.Namespace) -> int:
    return cap.run(arguments, until_told, _report)


def _mqtt(arguments: argparse.Namespace) -> int:
    return mqtt.run(arguments, until_told, _report)


def _terminal(arguments: argparse.Namespace) -> int:
    return terminal.run(arguments, _report)


def _intercom(arguments: argparse.Namespace) -> int:
    return intercom_run.run(arguments, until_told, _report)


def _add_town(kinds: Any) -> None:
    parser = kinds.add_parser(
        "town", help="the demo town of Hewan, beside a server started by `tocsin demo`, or a city"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("demo-data"), metavar="DIR", help="folder that holds town.json"
    )
    parser.add_argument("--quiet", action="store_true", help="connect the devices, raise no alarm by itself")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds (default: Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1)
    city_run.add_arguments(parser, _address)
    parser.set_defaults(run=_town)


def _town(arguments: argparse.Namespace) -> int:
    if arguments.city:
        return city_run.run(arguments)
    town = Town(read_town(arguments.data / "town.json"), SystemClock(), seed=arguments.seed, is_quiet=arguments.quiet)
    asyncio.run(until_told(town.run, arguments.seconds))
    _report(town.report.to_json())
    return 0
