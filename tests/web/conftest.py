"""The whole application on a real SQLite store with real services; only the pictures are a fake."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.clocks import FixedClock
from tests.support.house import CITY, NORTH, PEOPLE, SOUTH, build_town, burglary, signal_of
from tests.support.kept import MemoryFiles
from tests.support.movers import Mover
from tests.support.recordings import FakeFetcher, FakePlaybacks, KnownRecordings
from tests.support.speakers import DeafLine
from tocsin import event_tables
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.log import set_up_log
from tocsin.base.passwords import Passwords
from tocsin.base.vault import Vault
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.account_service import AccountService
from tocsin.domain.camera_bulk import CameraBulk
from tocsin.domain.camera_groups import CameraGroupService
from tocsin.domain.cameras import ChannelService
from tocsin.domain.cascade_service import CascadeService
from tocsin.domain.channel_health_service import ChannelHealthService
from tocsin.domain.control_service import ControlService
from tocsin.domain.directory import Channel, Directory
from tocsin.domain.downloads import DownloadService
from tocsin.domain.holds import HoldService
from tocsin.domain.import_service import ImportService
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.ingest import Arrivals
from tocsin.domain.intake import Intake
from tocsin.domain.keys import KeyRollover
from tocsin.domain.layouts import LayoutService
from tocsin.domain.ledger import DeliveryService
from tocsin.domain.load_service import LoadService
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.people import SessionRow
from tocsin.domain.permit_service import PermitService
from tocsin.domain.place_service import PlaceService
from tocsin.domain.plan_service import PlanService
from tocsin.domain.profile_service import ProfileService
from tocsin.domain.quarantine_service import QuarantineService
from tocsin.domain.recorded_service import RecordedService
from tocsin.domain.recorder_desk import RecorderDesk
from tocsin.domain.recording_service import RecordingService
from tocsin.domain.registry import DeviceService
from tocsin.domain.retention_desk import RetentionDesk
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_proof import ProofService
from tocsin.domain.rule_service import RuleService
from tocsin.domain.rule_trials import RuleTrials
from tocsin.domain.schedule_service import ScheduleService
from tocsin.domain.speaking import SpeakingService
from tocsin.domain.storage_service import StorageService
from tocsin.domain.streams import stream_id_of
from tocsin.domain.supervision import Supervision
from tocsin.domain.unit_service import UnitService
from tocsin.domain.users import UserService, hash_token
from tocsin.domain.video import LiveAddress, LiveState
from tocsin.domain.view_service import ViewService
from tocsin.domain.warnings import WarningService
from tocsin.domain.zone_test_service import ZoneTestService
from tocsin.gateways.cap_export import encode_warning
from tocsin.gateways.message_reading import preview
from tocsin.gateways.webhook import WebhookConfig, WebhookGateway
from tocsin.media.recorded_files import VolumeFiles
from tocsin.protocols.gb28181 import timeline
from tocsin.settings import load_settings, settings_in_force
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.plan_folder import PlanFolder
from tocsin.storage.store import SqliteStore
from tocsin.web.app import make_app
from tocsin.web.services import MediaHealth, Services

PASSWORD = "correct horse battery"


@dataclass
class FakePictures:
    """Gives addresses and remembers what was ended."""

    ended: list[str] = field(default_factory=list)
    renewed: list[tuple[str, datetime]] = field(default_factory=list)
    is_down: bool = False

    async def open_view(
        self,
        *,
        view_id: str,
        channel: Channel,
        user_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...],
        audio: bool,
        is_alarm: bool = False,
        stream: str = "main",
    ) -> LiveAddress:
        if self.is_down:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no media worker", key="media_worker_lost")
        stream_id = stream_id_of(channel.id, stream)
        return LiveAddress(f"ws://127.0.0.1:8081/live/{stream_id}?ticket=once", stream)

    async def renew_view(self, view_id: str, expires_at: datetime) -> None:
        self.renewed.append((view_id, expires_at))

    async def end_view(self, view_id: str, reason: str) -> None:
        self.ended.append(view_id)

    def state(self, channel_id: str, stream: str = "") -> LiveState:
        return LiveState()

    def running(self) -> dict[str, LiveState]:
        return {}

    async def probe(self, channel: Channel) -> LiveState:
        return LiveState("failed", "play.no_media")


@dataclass
class WebHouse:
    """The application and what stands behind it."""

    app: FastAPI
    store: SqliteStore
    clock: FixedClock
    intake: Intake
    services: Services
    pictures: FakePictures
    heads_path: Path
    mover: Mover
    known: KnownRecordings
    playbacks: FakePlaybacks
    fetcher: FakeFetcher

    def client(self, who: str = "", **headers: str) -> httpx.AsyncClient:
        """Return a client that carries the bearer token of somebody; nobody without a name."""
        given = {"Authorization": f"Bearer {who}"} if who else {}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1", headers={**given, **headers}
        )

    async def alarm(self, zone: str = "004", **changes: Any) -> dict[str, Any]:
        """Let the school's panel report a burglary; return its incident as an operator sees it."""
        await self.intake.accept(signal_of(burglary(zone), **changes))
        async with self.client("li") as client:
            items: list[dict[str, Any]] = (await client.get("/api/v1/incidents")).json()["items"]
        return items[0]


def _let_people_in(tx: Any, password_hash: str, now: datetime) -> None:
    """Give everybody of the town a role, a password and a bearer token that is their name."""
    homes = {CITY: "j-city", NORTH: "j-north", SOUTH: "j-south"}
    for person in vars(PEOPLE).values():
        user = tx.users.get(person.id)
        tx.users.save(
            replace(
                user,
                roles=tuple(role.value for role in person.roles),
                jurisdiction_ids=tuple(homes[code] for code in person.jurisdiction_codes),
            )
        )
        tx.users.set_password(person.id, password_hash)
        tx.users.add_session(
            SessionRow(
                hash_token(person.id),
                new_id(),
                person.id,
                "token",
                "csrf",
                person.seat,
                person.is_on_duty,
                now,
                now + timedelta(days=30),
            )
        )


@pytest.fixture(scope="session", autouse=True)
def quiet_log() -> None:
    set_up_log("error", as_json=True)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy: migrations run once, not for each test."""
    path = tmp_path_factory.mktemp("web") / "empty.db"
    schema.prepare(f"sqlite:///{path}")
    return path


@pytest.fixture
async def house(tmp_path: Path, empty_database: Path) -> AsyncIterator[WebHouse]:
    url = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'tocsin.db')}"
    clock = FixedClock()
    heads_path = tmp_path / "audit.heads"
    store = SqliteStore(url, clock, HeadsFile(heads_path))
    await store.start()
    await store.run(build_town)
    passwords = Passwords(memory_kib=64, passes=1)
    await store.run(_let_people_in, await passwords.hash(PASSWORD), clock.now())
    vault = Vault(bytes(32))
    directory = Directory(store, vault)
    await directory.load()
    pictures = FakePictures()
    mover = Mover()
    control = ControlService(store, clock, directory, mover)
    store.on_committed(control.hear)
    speaking = SpeakingService(store, clock, directory, DeafLine(), DeafLine())
    store.on_committed(speaking.hear)
    health = ChannelHealthService(store, clock, directory, pictures)
    store.on_committed(health.hear)
    await health.start()
    await health.check()
    known, playbacks = KnownRecordings(), FakePlaybacks()
    recordings = RecordingService(store, clock, directory, known, playbacks)
    store.on_committed(recordings.hear)
    recorded = RecordedService(store, clock, VolumeFiles())
    store.on_committed(recorded.hear)
    fetcher = FakeFetcher()
    downloads = DownloadService(store, clock, directory, fetcher, tmp_path / "downloads", keep_days=7, speeds=fetcher)
    await downloads.start()
    settings = load_settings(environ={}, overrides={"server.data": tmp_path})
    (tmp_path / "static" / "assets").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text("<!doctype html><title>Tocsin</title>")
    (tmp_path / "static" / "assets" / "main-abc123.js").write_text("export {};")
    places, cameras = PlaceService(store, clock), ChannelService(store, clock, directory)
    devices = DeviceService(store, clock, vault, directory)
    imports = ImportService(store, clock, places, devices, cameras, AccountFiles(store, clock, passwords))
    intake = Intake(store, zone=UTC)
    supervision = Supervision(store, directory, clock, intake)
    webhooks = WebhookGateway(
        WebhookConfig(per_s=1, burst=20),
        directory,
        Arrivals(store, intake),
        supervision,
        KeyRollover(store, vault),
        clock,
    )
    volume_files = MemoryFiles(1_000_000)
    services = Services(
        store=store,
        clock=clock,
        users=UserService(store, clock, passwords),
        places=places,
        devices=devices,
        imports=imports,
        import_undo=ImportUndo(store, devices, imports.is_entered),
        recorder_desk=RecorderDesk(store, directory, dict),
        bulk=CameraBulk(store, cameras),
        camera_groups=CameraGroupService(store),
        profiles=ProfileService(store, directory),
        cameras=cameras,
        incidents=IncidentService(store),
        units=UnitService(store),
        plans=PlanService(store),
        views=ViewService(store, directory, pictures),
        layouts=LayoutService(store),
        control=control,
        health=health,
        speaking=speaking,
        recordings=recordings,
        recorded=recorded,
        downloads=downloads,
        retention=RetentionDesk(
            store,
            PolicyService(store, clock),
            HoldService(store, clock),
            ProofService(store, UTC),
            StorageService(store, clock, volume_files),
        ),
        rules=RuleService(store),
        schedules=ScheduleService(store, UTC),
        permits=PermitService(store, intake, NoticeBoard(store, clock)),
        load=LoadService(store, clock),
        deliveries=DeliveryService(store, intake.ledger),
        zone_tests=ZoneTestService(store, clock),
        quarantine=QuarantineService(store, intake, event_tables.meanings()),
        rule_trials=RuleTrials(store, clock),
        account_files=AccountFiles(store, clock, passwords),
        accounts=AccountService(store, clock, intake, PlanFolder(tmp_path / "plans"), passwords),
        cascade=CascadeService(store, vault),
        notices=NoticeBoard(store, clock),
        words=timeline.WORDS,
        version="0.1.0",
        media=lambda: MediaHealth(1, 1, (8081,)),
        live_state=pictures.state,
        settings=lambda: settings_in_force(settings),
        warnings=WarningService(store, "tocsin@hewan", encode_warning),
        take_webhook=webhooks.take,
        read_message=preview,
        heads=lambda: heads_path.read_text().splitlines(keepends=True),
        static=tmp_path / "static",
    )
    app = make_app(services, settings.server)
    yield WebHouse(app, store, clock, intake, services, pictures, heads_path, mover, known, playbacks, fetcher)
    await imports.stop()
    await store.stop()
