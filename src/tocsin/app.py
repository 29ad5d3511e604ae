"""The composition root, the only module that knows every room: builds, starts in order, ends in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from tocsin import __version__, event_tables, figures, recording, workers
from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_token
from tocsin.base.passwords import Passwords
from tocsin.base.signing import load_house_key
from tocsin.base.tasks import Supervisor
from tocsin.base.vault import Vault
from tocsin.base.words import Words
from tocsin.camera_asks import camera_tries, catalog_asker, discoverer
from tocsin.cascade_parts import join_cascade
from tocsin.configs import (
    cause_rules,
    clip_rules,
    dc09_config,
    entry_of_camera,
    gb_config,
    health_bounds,
    is_external,
    jt808_config,
    media_link,
    picture_schedule,
    public_host,
    receivers_config,
    sip_config,
    snapshot_reach,
)
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.account_service import AccountService
from tocsin.domain.alarm_snapshots import AlarmSnapshots
from tocsin.domain.camera_bulk import CameraBulk
from tocsin.domain.camera_desk import CameraDesk
from tocsin.domain.camera_groups import CameraGroupService
from tocsin.domain.cameras import ChannelService
from tocsin.domain.cascade_service import CascadeService
from tocsin.domain.channel_health_service import ChannelHealthService
from tocsin.domain.clip_device import DeviceClips
from tocsin.domain.clip_maker import ClipMaker
from tocsin.domain.clip_own import OwnClips
from tocsin.domain.clip_service import ClipService
from tocsin.domain.control import FixedMover, RoutedMover
from tocsin.domain.control_service import ControlService
from tocsin.domain.device_acts import DeviceActs
from tocsin.domain.device_desk import DeviceDesk
from tocsin.domain.directory import Directory
from tocsin.domain.downloads import DownloadService
from tocsin.domain.guarding import GuardService
from tocsin.domain.holds import HoldService
from tocsin.domain.imaging import ImageService
from tocsin.domain.import_service import ImportService
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.intake import Intake
from tocsin.domain.keys import KeyRollover
from tocsin.domain.layouts import LayoutService
from tocsin.domain.ledger import DeliveryService
from tocsin.domain.load_service import LoadService
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.permit_service import WORDS as PERMIT_WORDS
from tocsin.domain.permit_service import PermitService
from tocsin.domain.picture_desk import PictureDesk
from tocsin.domain.picture_rounds import PictureRounds
from tocsin.domain.place_service import PlaceService
from tocsin.domain.plan_service import PlanService
from tocsin.domain.profile_service import ProfileService
from tocsin.domain.quarantine_service import QuarantineService
from tocsin.domain.recorded_service import RecordedService
from tocsin.domain.recorder_desk import RecorderDesk
from tocsin.domain.recorder_volumes import WORDS as VOLUME_WORDS
from tocsin.domain.recording_routes import RoutedRecordings
from tocsin.domain.recording_service import RecordingService
from tocsin.domain.registry import DeviceService
from tocsin.domain.reports import StoredReports
from tocsin.domain.retention import WORDS as RETENTION_WORDS
from tocsin.domain.retention_desk import RetentionDesk
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_proof import ProofService
from tocsin.domain.retention_service import RetentionEngine
from tocsin.domain.rule_service import RuleService
from tocsin.domain.rule_trials import RuleTrials
from tocsin.domain.schedule_service import ScheduleClock, ScheduleService
from tocsin.domain.snapshot_routes import NoSnapshots, RoutedSnapshots
from tocsin.domain.snapshots import SnapshotService
from tocsin.domain.speaking import SpeakingService
from tocsin.domain.spoken import RECEIVERS
from tocsin.domain.storage_service import StorageService
from tocsin.domain.supervision import Supervision, SupervisionRules
from tocsin.domain.terminal_intake import TerminalIntake
from tocsin.domain.terminal_service import TerminalService
from tocsin.domain.tiers import WORDS as TIER_WORDS
from tocsin.domain.trials import TrialService
from tocsin.domain.unit_service import UnitService
from tocsin.domain.users import UserService
from tocsin.domain.video import OF_CALL, RoutedSource
from tocsin.domain.view_service import ViewService
from tocsin.domain.warnings import WarningService
from tocsin.domain.zone_test_service import ZoneTestService
from tocsin.gateways import ip_camera_trial, ip_camera_words
from tocsin.gateways.cap_export import encode_warning
from tocsin.gateways.dc09 import Dc09Gateway
from tocsin.gateways.gb28181 import Gb28181Gateway
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.intercom_pictures import CallPictures
from tocsin.gateways.ip_camera_trial import CameraTrials
from tocsin.gateways.jt808 import Jt808Gateway
from tocsin.gateways.jt808_desk import Jt808Desk
from tocsin.gateways.message_reading import preview
from tocsin.gateways.onvif import OnvifGateway, OnvifMover
from tocsin.gateways.onvif_imaging import OnvifImaging
from tocsin.gateways.onvif_recordings import OnvifRecordings
from tocsin.gateways.onvif_snapshots import OnvifSnapshots
from tocsin.gateways.receivers import ReceiverGateway
from tocsin.gateways.rtsp import RtspGateway
from tocsin.gateways.runner import Gateways
from tocsin.gateways.sip import SipGateway
from tocsin.intercom_parts import ChannelsAndDoors, IntercomParts
from tocsin.media import recording_words
from tocsin.media import words as media_words
from tocsin.media.downloads import Downloads
from tocsin.media.examiner import Examiner
from tocsin.media.external_zlm import ZlmLink
from tocsin.media.link import MediaLink
from tocsin.media.playback import Playbacks, both
from tocsin.media.recorded_files import VolumeFiles
from tocsin.media.relay import LiveStreams
from tocsin.media.self_test import SelfTest
from tocsin.message_parts import MessageParts
from tocsin.protocols.gb28181 import timeline
from tocsin.protocols.gb28181.snapshot import picture_in
from tocsin.settings import Settings, settings_in_force, upload_address
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.plan_folder import PlanFolder
from tocsin.storage.snapshots import SnapshotFolder
from tocsin.storage.store import StoreHealth, make_store
from tocsin.stores import open_vault
from tocsin.web.app import make_app
from tocsin.web.server import listen, make_server
from tocsin.web.services import MediaHealth, Services

log = structlog.get_logger(__name__)

# The writer's thread gives up the interpreter at each statement; with the default 5 ms a busy loop would hold up a
# commit of ten statements for 50 ms.
SWITCH_INTERVAL_S = 0.0005
# Nearly everything here dies by its reference count; at the default of 700 new objects the collector took a tenth of
# the time, in pauses of up to 0.1 s.
COLLECT_AFTER = (50_000, 20, 100)


def run(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status. Errors: UNAVAILABLE, with the port or file that failed."""
    _allow_files()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    schema.prepare(settings.storage_url)
    try:
        import uvloop
    except ImportError:  # it has no build for this system: the standard loop does the same work, slower
        return asyncio.run(_serve(settings))
    return uvloop.run(_serve(settings))


def _allow_files() -> None:
    """Raise the limit on open files as far as we may: every panel is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    log.debug("open files", before=soft, now=hard)


async def _serve(settings: Settings) -> int:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    async with AsyncExitStack() as stack:
        house = await _start(settings, stack, ending)
        gc.collect()
        gc.freeze()  # what stands now stays: the collector need not walk it again
        gc.set_threshold(*COLLECT_AFTER)
        log.info("ready", web=house)
        await ending.wait()
        log.info("stopping")
    return 0


async def _start(settings: Settings, stack: AsyncExitStack, ending: asyncio.Event) -> str:
    """Build and start everything; each part is ended by the stack in reverse order."""
    clock = SystemClock()
    supervisor = Supervisor(clock)
    store = make_store(
        settings.storage_url, clock, HeadsFile(settings.heads_path), group_cap=settings.storage.group_cap
    )
    link = media_link(settings, stack, clock)
    media_started = asyncio.create_task(link.start())  # its processes load while we do
    stack.callback(media_started.cancel)
    await store.start()
    stack.push_async_callback(store.stop)
    vault = await open_vault(settings.secret_key_path, store)

    # domain
    zone = recording.house_zone(settings)
    intake = Intake(store, zone=zone)
    stack.push_async_callback(intake.ledger.stop)
    directory = Directory(store, vault)
    supervision = Supervision(
        store,
        directory,
        clock,
        intake,
        SupervisionRules(
            check_s=settings.supervision.check_s,
            factor=settings.supervision.overdue_factor,
            start_grace_s=settings.supervision.start_grace_s,
            keepalive_misses=settings.sip.keepalive_misses,
            ping_s=settings.intercom.ping_s,
            pings=settings.intercom.misses,
            causes=cause_rules(settings),
        ),
    )
    reports = StoredReports(store, supervision, directory)
    notices = NoticeBoard(store, clock, RETENTION_WORDS.merged(VOLUME_WORDS, TIER_WORDS, PERMIT_WORDS))
    await directory.load()
    await supervision.start()
    intake.silences = supervision.silences
    schedule_clock, permits = ScheduleClock(store, clock, intake, zone), PermitService(store, intake, notices)
    await schedule_clock.start()

    # media and gateways
    sip = SipGateway(sip_config(settings), clock, new_token)
    gb28181 = Gb28181Gateway(
        sip,
        directory,
        reports,
        clock,
        intake=intake,
        nonce_secret=_nonce_secret(vault, settings),
        config=gb_config(settings),
    )
    rtsp = RtspGateway(directory, reports, AttemptLog(reports, clock), clock)
    source = RoutedSource(directory.protocol_of, gb28181)
    onvif = OnvifGateway(directory, reports, AttemptLog(reports, clock), intake, clock)
    source.add("rtsp", rtsp)
    source.add("onvif", onvif)
    mover = RoutedMover(directory.protocol_of, gb28181.control)
    mover.add("rtsp", FixedMover())
    mover.add("onvif", OnvifMover(onvif))
    channels = ChannelsAndDoors(directory)
    streams = LiveStreams(
        link,
        source,
        clock,
        public_host=public_host(settings),
        public_scheme=urlsplit(settings.media.external_public).scheme if is_external(settings) else "ws",
        idle_stop_s=settings.media.stop_after_s,
        channel_of=channels.channel,
    )
    channels.pictures = CallPictures(link if isinstance(link, MediaLink) else None, streams)
    source.add(OF_CALL, channels.pictures)
    directory.on_change(lambda read, _gone: gb28181.entries_changed(device.gb_id for device in read if device.gb_id))
    kept_elsewhere = RoutedRecordings(
        directory.protocol_of, gb28181.recordings, gb28181.playback, gb28181.download_speeds
    )
    onvif_recordings = OnvifRecordings(onvif)
    kept_elsewhere.add("onvif", onvif_recordings)
    playbacks = Playbacks(link, kept_elsewhere, clock, public_host=settings.media.host)
    gb28181.on_ended(streams.source_ended)
    gb28181.on_registered(streams.device_registered)
    rtsp.on_back(streams.device_registered)
    onvif.on_back(streams.device_registered)
    service, media_ip = CascadeService(store, vault), settings.sip_media_ip
    cascade = join_cascade(
        sip,
        gb28181,
        service,
        streams,
        playbacks,
        mover,
        directory,
        clock,
        media_ip=media_ip,
        subscriptions_path=settings.data / "upper-subscriptions.json",
    )
    link.events.on_forward_ended = cascade.calls.forward_ended
    intercoms = IntercomParts(
        settings,
        store,
        clock,
        directory,
        reports,
        intake,
        sip,
        link,
        _nonce_secret(vault, settings),
        channels.pictures,
    )
    gateways = Gateways(clock)
    rollover = KeyRollover(store, vault)
    dc09 = Dc09Gateway(dc09_config(settings), intake, directory, supervision, clock, keys=rollover)
    messages = MessageParts(settings, store, clock, directory, intake, supervision, rollover)
    receivers = ReceiverGateway(receivers_config(settings), intake, directory, supervision, clock)
    directory.on_change(receivers.entries_changed)
    terminals = TerminalIntake(store, intake, clock, keep_hours=settings.jt808.positions_keep_hours)
    jt808 = Jt808Gateway(jt808_config(settings), terminals, intake, directory, supervision, clock)
    terminals.on_confirmed = jt808.confirm

    # use cases
    views = ViewService(store, channels, streams)
    control = ControlService(store, clock, directory, mover)
    speaking = SpeakingService(store, clock, directory, gb28181.voice, link, max_speech_s=settings.media.max_speech_s)
    link.events.on_talk = intercoms.heard_beside(speaking.talk_event)
    cascade.control.is_held = control.is_held
    health = ChannelHealthService(
        store,
        clock,
        directory,
        streams,
        bounds=health_bounds(settings),
        check_interval_h=settings.health.check_interval_h,
    )
    examiner = Examiner()
    stack.push_async_callback(examiner.stop)
    stills = SnapshotFolder(settings.data / "pictures" / "stills", picture_in)
    pictures = PictureRounds(
        store,
        clock,
        directory,
        streams,
        examiner,
        stills,
        folder=(settings.data / "pictures").absolute(),
        run_folder=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-pictures-"))),
        schedule=picture_schedule(settings),
        steering=control,
        no_pictures=health,
    )
    users = UserService(store, clock, session_hours=settings.server.session_hours)
    folder = settings.data / "downloads"
    reserve_bytes = settings.media.disk_reserve_mb << 20
    fetcher = Downloads(link, kept_elsewhere, clock, folder, reserve_bytes=reserve_bytes)
    keep_days = settings.media.download_keep_days
    downloads = DownloadService(store, clock, directory, fetcher, folder, keep_days=keep_days, speeds=kept_elsewhere)
    recordings = RecordingService(store, clock, directory, kept_elsewhere, playbacks)
    volumes = recording.tier_volumes(settings, clock)
    recorded_files = VolumeFiles(volumes)
    recorded = RecordedService(store, clock, recorded_files)
    recorder = None
    if isinstance(link, MediaLink):
        recorder = recording.make_recorder(settings, store, clock, directory, streams, link.recorders, notices)
        link.events.on_worker_lost = recording.after(link.events.on_worker_lost, recorder.worker_lost)
        store.on_committed(recorder.hear)
    snapshot_line = RoutedSnapshots(directory.protocol_of, gb28181.snapshots)
    onvif_snapshots = OnvifSnapshots(onvif, clock)
    snapshot_line.add("onvif", onvif_snapshots)
    snapshot_line.add("rtsp", NoSnapshots())
    stack.push_async_callback(onvif_snapshots.stop)
    snapshots = SnapshotService(
        store,
        clock,
        directory,
        snapshot_line,
        SnapshotFolder(settings.data / "snapshots", picture_in),
        upload_url=upload_address(settings),
        reach=snapshot_reach(settings, gb28181.snapshots),
        keep_days=settings.snapshots.keep_days,
    )
    alarm_snapshots = AlarmSnapshots(store, snapshots)
    device_clips = DeviceClips(
        kept_elsewhere,
        fetcher,
        kept_elsewhere,
        downloads,
        clock,
        settings.data / "clips",
        can_ask=lambda device_id: not directory.protocol_of(device_id) or onvif_recordings.offers(device_id),
    )
    own_clips = OwnClips(recorder, recorded_files, records=settings.clips.record) if recorder is not None else None
    clip_maker = ClipMaker(
        store, clock, directory, clip_rules(settings), device_clips, own_clips, keep_days=settings.clips.keep_days
    )
    gb28181.snapshots.on_finished = snapshots.finished
    onvif_snapshots.on_picture, onvif_snapshots.on_failed = snapshots.fetched, snapshots.give_up
    trier = CameraTrials(link, clock, public_host=public_host(settings))
    trials = TrialService(store, clock, trier)
    link.events.on_source_lost = both(link.events.on_source_lost, trials.lost)
    stack.push_async_callback(trier.stop)
    places = PlaceService(store, clock)
    devices = DeviceService(store, clock, vault, directory)
    cameras = ChannelService(store, clock, directory)
    words_of_premises = Passwords()
    stack.callback(words_of_premises.close)
    account_files = AccountFiles(store, clock, words_of_premises, recording.house_zone(settings))
    imports = ImportService(store, clock, places, devices, cameras, account_files)
    stack.push_async_callback(imports.stop)
    rule_trials = RuleTrials(store, clock)
    stack.push_async_callback(rule_trials.stop_all)
    camera_desk = CameraDesk(store, gb28181.camera_desk, clock, directory)
    acts = DeviceActs(store, gb28181.camera_desk)
    gb28181.camera_desk.on_upgraded = acts.upgraded
    import_undo = ImportUndo(store, devices, imports.is_entered)
    stack.push_async_callback(import_undo.stop)
    tier_mover = recording.make_mover(settings, store, clock, volumes, notices)
    retention = RetentionDesk(
        store,
        PolicyService(store, clock),
        HoldService(store, clock, quota_pct=settings.recording.hold_quota_percent),
        ProofService(store, recording.house_zone(settings)),
        StorageService(store, clock, volumes, notices, recording.tier_rules(settings)),
        tier_mover,
    )
    accounts = AccountService(
        store,
        clock,
        intake,
        PlanFolder(settings.data / "plans"),
        words_of_premises,
        recording.house_zone(settings),
    )
    key = load_house_key(settings.signing_key_path)
    engine = RetentionEngine(store, clock, volumes, key, notices, recorder)
    zone_tests = ZoneTestService(store, clock)
    services = Services(
        store=store,
        clock=clock,
        users=users,
        places=places,
        devices=devices,
        cameras=cameras,
        imports=imports,
        import_undo=import_undo,
        bulk=CameraBulk(store, cameras),
        camera_groups=CameraGroupService(store),
        guarding=GuardService(store, gb28181),
        desk=DeviceDesk(store, gb28181.desk),
        camera_desk=camera_desk,
        acts=acts,
        snapshots=snapshots,
        clips=ClipService(store, clock, device_clips, own_clips),
        trials=trials,
        terminals=TerminalService(store, Jt808Desk(jt808)),
        calls=intercoms.service,
        accounts=accounts,
        account_files=account_files,
        images=ImageService(store, directory.channel, control, OnvifImaging(onvif, directory.protocol_of)),
        profiles=ProfileService(store, directory),
        entry=lambda: entry_of_camera(settings),
        test_media=SelfTest(link, settings.sip_media_ip).run,
        incidents=IncidentService(store),
        units=UnitService(store),
        plans=PlanService(store),
        rules=RuleService(store),
        schedules=ScheduleService(store, zone),
        permits=permits,
        load=LoadService(store, clock),
        deliveries=DeliveryService(store, intake.ledger),
        zone_tests=zone_tests,
        quarantine=QuarantineService(store, intake, event_tables.meanings()),
        rule_trials=rule_trials,
        recorder_desk=RecorderDesk(store, directory, recorder.states) if recorder is not None else None,
        views=views,
        layouts=LayoutService(store),
        control=control,
        speaking=speaking,
        recordings=recordings,
        recorded=recorded,
        retention=retention,
        downloads=downloads,
        cascade=cascade.service,
        health=health,
        pictures=PictureDesk(store, pictures, stills),
        words=_all_words(),
        version=__version__,
        media=lambda: _media_health(link, settings.media.external_public if is_external(settings) else ""),
        live_state=streams.state,
        notices=notices,
        settings=lambda: settings_in_force(settings),
        heads=lambda: _lines(settings.heads_path),
        ask_catalog=catalog_asker(gb28181),
        try_camera=camera_tries(onvif, rtsp),
        discover=discoverer(),
        is_ready=lambda: store.health.is_ok or store.groups > 0,
        map=lambda: _map(settings.data),
        metrics=(
            lambda: figures.of_pictures_and_panels(dc09, gb28181, sip, streams, link),
            lambda: figures.of_onvif(onvif),
            messages.metrics,
            lambda: figures.of_gateways(gateways, receivers),
            lambda: figures.of_jt808(jt808, terminals),
            intercoms.metrics,
        ),
        warnings=WarningService(store, settings.cap.sender, encode_warning),
        take_webhook=messages.webhook.take,
        read_message=preview,
        gateways=gateways.forms,
    )

    def on_store_health(health: StoreHealth) -> None:
        supervision.note_store(health.is_ok)
        schedule_clock.note_store(health.is_ok)
        notices.note_store(health.is_ok, health.reason)

    store.on_committed(directory.note)
    store.on_committed(views.hear)
    store.on_committed(recordings.hear)
    store.on_committed(recorded.hear)
    store.on_committed(control.hear)
    store.on_committed(terminals.hear)
    store.on_committed(speaking.hear)
    store.on_committed(cascade.hear)
    store.on_committed(health.hear)
    store.on_committed(pictures.hear)
    if settings.snapshots.on_alarm:
        store.on_committed(alarm_snapshots.hear)
    if settings.clips.on_alarm:
        store.on_committed(clip_maker.hear)
    store.on_health(on_store_health)

    # start: pictures first, so that an alarm finds them; then those who speak to us; the console last
    stack.push_async_callback(link.stop)
    await media_started
    await _start_part(stack, "live streams", streams.start, streams.stop)
    await _start_part(stack, "playbacks", playbacks.start, playbacks.stop)
    await _start_part(stack, "downloads", downloads.start, downloads.stop)
    stack.callback(intake.keep_acks)  # after the last ACK has left, before the store ends
    await terminals.start()
    await intercoms.service.start()
    gateways.add(f"SIP on {settings.sip.host} port {settings.sip.port}", sip, "sip.port", serves=("gb28181", "sip"))
    gateways.add("GB/T 28181", gb28181, serves=("gb28181",))
    gateways.add("door intercoms", intercoms.gateway, serves=("sip",))
    gateways.add("RTSP cameras", rtsp, serves=("rtsp",))
    gateways.add("ONVIF cameras", onvif, serves=("onvif",))
    gateways.add(f"DC-09 port {settings.dc09.port}", dc09, "dc09.port", serves=("dc09",))
    gateways.add("hardware receivers", receivers, "the ports of [receivers]", serves=(*RECEIVERS, "relayed"))
    gateways.add("MQTT", messages.mqtt, "mqtt.url", serves=("mqtt",))
    gateways.add(f"JT/T 808 port {settings.jt808.port}", jt808, "jt808.port", serves=("jt808",))
    gateways.add("feeds of public warnings", messages.feeds, serves=("cap",))
    gateways.on_change = notices.note_gateway
    gateways.on_listening = supervision.note_listening
    stack.push_async_callback(gateways.stop)
    await gateways.start()
    stack.push_async_callback(trials.stop)
    await _start_part(stack, "camera control", control.start, control.stop)
    await _start_part(stack, "speaking", speaking.start, speaking.stop)
    await _start_part(stack, "platforms above", cascade.start, cascade.stop)

    if recorder is not None:
        await recording.keep_days(store, clock)
        await _start_part(stack, "recording", recorder.start, recorder.stop)
    await health.start()
    await snapshots.start()
    await pictures.start()
    if settings.clips.on_alarm:
        await clip_maker.start()
    stack.push_async_callback(clip_maker.stop)
    await acts.start()
    await accounts.start()
    await engine.start()
    if tier_mover is not None:
        await tier_mover.start()
        supervisor.spawn("recording tiers", tier_mover.run)
    app = make_app(services, settings.server)
    listener = _listen(settings.server.host, settings.server.port)
    server = make_server(app)
    supervisor.spawn("feed", app.state.feed.run)
    supervisor.spawn("directory", directory.keep_fresh)
    supervisor.spawn("accounts", lambda: workers.every(clock, workers.DAYS_S, accounts.clear_over))
    supervisor.spawn("presses confirmed", terminals.keep_confirmed)
    supervisor.spawn("positions deleted", terminals.keep_bounded)
    supervisor.spawn("door calls deleted", intercoms.service.keep_bounded)
    supervisor.spawn("door calls", lambda: workers.every(clock, workers.TIMED_S, intercoms.service.check))
    workers.spawn_all(
        supervisor,
        downloads=downloads,
        store=store,
        clock=clock,
        reports=reports,
        supervision=supervision,
        views=views,
        control=control,
        speaking=speaking,
        notices=notices,
        intake=intake,
        settings=settings,
        users=users,
        health=health,
        snapshots=snapshots,
        camera_desk=camera_desk,
        trials=trials,
        alarm_snapshots=alarm_snapshots,
        pictures=pictures,
        recorder=recorder,
        clips=clip_maker,
    )
    workers.spawn_watch(supervisor, clock, schedule_clock, permits, zone_tests)
    workers.spawn_retention(supervisor, clock, engine, retention.holds, retention.storage)
    stack.push_async_callback(reports.flush)
    stack.push_async_callback(supervisor.stop)
    serving = asyncio.create_task(server.serve_on([listener]), name="web")
    serving.add_done_callback(lambda _task: ending.set())

    async def stop_web() -> None:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(serving, 10)

    stack.push_async_callback(stop_web)
    while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn tells by a flag only
        await asyncio.sleep(0.005)
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


async def _start_part(
    stack: AsyncExitStack,
    name: str,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    setting: str = "",
) -> None:
    try:
        await start()
    except OSError as error:
        hint = f"; end what uses the port or set {setting}" if setting else ""
        detail = f"{name} cannot start: {error.strerror or error}{hint}"
        raise TocsinError(ErrorCode.UNAVAILABLE, detail) from error
    stack.push_async_callback(stop)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            f"the console cannot listen on {host} port {port}: {error.strerror}; "
            "end what uses the port or set server.port",
        ) from error


def _nonce_secret(vault: Vault, settings: Settings) -> bytes:
    """Nonces stay good across a restart: a registration under way must not begin again."""
    return sha256(b"sip nonce" + settings.secret_key_path.read_bytes()).digest()


def _all_words() -> Words:
    """Return every table of message keys as one."""
    words = timeline.WORDS
    for more in (media_words.WORDS, recording_words.WORDS, ip_camera_words.WORDS, ip_camera_trial.WORDS):
        words = words.merged(more)
    return words


def _media_health(link: MediaLink | ZlmLink, elsewhere: str) -> MediaHealth:
    health = link.health()
    ports = () if elsewhere else tuple(worker.port for worker in health)
    return MediaHealth(len(health), sum(worker.is_alive for worker in health), ports, elsewhere)


def _lines(path: Path) -> list[str]:
    with path.open(encoding="ascii", errors="replace") as file:
        return list(file)


def _map(data: Path) -> bytes:
    """Return the drawing of the town: `map.geojson` in the data folder; empty when nobody has put one there."""
    try:
        drawing = (data / "map.geojson").read_bytes()
        json.loads(drawing)
    except FileNotFoundError:
        return b'{"type":"FeatureCollection","features":[]}'
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, f"map.geojson in the data folder is not JSON: {error}") from error
    return drawing
