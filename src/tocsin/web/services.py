"""What the web asks of the house: composed by `app.py`, taken apart by `web/deps.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from prometheus_client.core import Metric
from pydantic import SecretStr

from tocsin.base.clock import Clock
from tocsin.base.message_form import MessageForm
from tocsin.base.normal import NormalEvent
from tocsin.base.words import Words
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.account_service import AccountService
from tocsin.domain.camera_bulk import CameraBulk
from tocsin.domain.camera_desk import CameraDesk
from tocsin.domain.camera_groups import CameraGroupService
from tocsin.domain.cameras import ChannelService
from tocsin.domain.cascade_service import CascadeService
from tocsin.domain.channel_health_service import ChannelHealthService
from tocsin.domain.clip_service import ClipService
from tocsin.domain.control_service import ControlService
from tocsin.domain.device_acts import DeviceActs
from tocsin.domain.device_desk import DeviceDesk
from tocsin.domain.downloads import DownloadService
from tocsin.domain.guarding import GuardService
from tocsin.domain.imaging import ImageService
from tocsin.domain.import_service import ImportService
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.ingest import Taken
from tocsin.domain.intercom_service import IntercomService
from tocsin.domain.layouts import LayoutService
from tocsin.domain.ledger import DeliveryService
from tocsin.domain.load_service import LoadService
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.permit_service import PermitService
from tocsin.domain.picture_desk import PictureDesk
from tocsin.domain.place_service import PlaceService
from tocsin.domain.plan_service import PlanService
from tocsin.domain.profile_service import ProfileService
from tocsin.domain.quarantine_service import QuarantineService
from tocsin.domain.recorded_service import RecordedService
from tocsin.domain.recorder_desk import RecorderDesk
from tocsin.domain.recording_service import RecordingService
from tocsin.domain.registry import DeviceService
from tocsin.domain.retention_desk import RetentionDesk
from tocsin.domain.rule_service import RuleService
from tocsin.domain.rule_trials import RuleTrials
from tocsin.domain.schedule_service import ScheduleService
from tocsin.domain.snapshots import SnapshotService
from tocsin.domain.speaking import SpeakingService
from tocsin.domain.store import Store
from tocsin.domain.terminal_service import TerminalService
from tocsin.domain.trials import TrialService
from tocsin.domain.unit_service import UnitService
from tocsin.domain.users import UserService
from tocsin.domain.video import LiveState
from tocsin.domain.view_service import ViewService
from tocsin.domain.warnings import WarningService
from tocsin.domain.zone_test_service import ZoneTestService

NO_ENTRY: Mapping[str, Any] = {
    "server_id": "", "realm": "", "host": "", "port": 0, "udp": False, "tcp": False, "keepalive_s": 60,
}  # fmt: skip
NO_MAP = b'{"type":"FeatureCollection","features":[]}'
STATIC = Path(__file__).parent / "static"


class Announcement(Protocol):
    """One committed change, numbered; `data` is JSON."""

    @property
    def seq(self) -> int: ...
    @property
    def at_us(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def subject_id(self) -> str: ...
    @property
    def jurisdiction_code(self) -> str: ...
    @property
    def permission(self) -> str: ...
    @property
    def data(self) -> bytes: ...


class StoreHealth(Protocol):
    """Whether commits succeed, and the reason when they do not."""

    @property
    def is_ok(self) -> bool: ...
    @property
    def reason(self) -> str: ...


class FeedStore(Store, Protocol):
    """The store as the web sees it: it also tells what was committed, and how it is."""

    @property
    def health(self) -> StoreHealth: ...
    @property
    def groups(self) -> int: ...
    @property
    def committed(self) -> int: ...

    def on_committed(self, listener: Callable[[Sequence[Any]], None]) -> None:
        """Call `listener` on the loop with the announcements of each committed group."""


class WebSettings(Protocol):
    """The settings of the web: `settings.server` fits."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def public_url(self) -> str: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...
    @property
    def session_hours(self) -> float: ...
    @property
    def metrics_token(self) -> SecretStr: ...


class SettingShown(Protocol):
    """One setting in force, secrets masked."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def default(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def unit(self) -> str: ...


@dataclass(frozen=True, slots=True)
class MediaHealth:
    """How the picture workers are: started, alive, the ports viewers fetch from, and another server's address."""

    workers: int = 0
    alive: int = 0
    ports: tuple[int, ...] = ()
    elsewhere: str = ""


@dataclass(slots=True)
class Services:
    """Everything the routes call."""

    store: FeedStore
    clock: Clock
    users: UserService
    places: PlaceService
    devices: DeviceService
    profiles: ProfileService
    cameras: ChannelService
    incidents: IncidentService
    units: UnitService
    plans: PlanService
    views: ViewService
    layouts: LayoutService
    control: ControlService
    health: ChannelHealthService
    speaking: SpeakingService
    recordings: RecordingService
    downloads: DownloadService
    cascade: CascadeService
    notices: NoticeBoard
    words: Words = field(default_factory=lambda: Words({}))
    version: str = ""
    media: Callable[[], MediaHealth] = MediaHealth
    live_state: Callable[[str], LiveState] = lambda _channel_id: LiveState()
    settings: Callable[[], Sequence[SettingShown]] = tuple
    heads: Callable[[], Iterable[str]] = tuple
    ask_catalog: Callable[[str], Awaitable[object]] | None = None
    try_camera: Callable[[str], Awaitable[bool]] | None = None
    discover: Callable[[], Awaitable[list[dict[str, str]]]] | None = None
    guarding: GuardService | None = None
    entry: Callable[[], Mapping[str, Any]] = lambda: NO_ENTRY
    imports: ImportService | None = None
    import_undo: ImportUndo | None = None
    bulk: CameraBulk | None = None
    camera_groups: CameraGroupService | None = None
    desk: DeviceDesk | None = None
    camera_desk: CameraDesk | None = None
    acts: DeviceActs | None = None
    retention: RetentionDesk | None = None
    rules: RuleService | None = None
    schedules: ScheduleService | None = None
    permits: PermitService | None = None
    load: LoadService | None = None
    deliveries: DeliveryService | None = None
    zone_tests: ZoneTestService | None = None
    quarantine: QuarantineService | None = None
    rule_trials: RuleTrials | None = None
    snapshots: SnapshotService | None = None
    recorded: RecordedService | None = None
    clips: ClipService | None = None
    images: ImageService | None = None
    pictures: PictureDesk | None = None
    trials: TrialService | None = None
    terminals: TerminalService | None = None
    calls: IntercomService | None = None
    accounts: AccountService | None = None
    account_files: AccountFiles | None = None
    recorder_desk: RecorderDesk | None = None
    warnings: WarningService | None = None
    take_webhook: Callable[[str, Mapping[str, str], bytes, str], Awaitable[Taken]] | None = None
    gateways: Callable[[], list[dict[str, object]]] = list
    read_message: Callable[[bytes, MessageForm, str, datetime], tuple[Sequence[NormalEvent], int]] | None = None
    test_media: Callable[[], Awaitable[Any]] | None = None
    is_ready: Callable[[], bool] = lambda: True
    map: Callable[[], bytes] = lambda: NO_MAP
    metrics: tuple[Callable[[], Iterable[Metric]], ...] = ()
    static: Path = STATIC
    public_url: str = ""
