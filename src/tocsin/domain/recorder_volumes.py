"""The volumes recordings lie in: entered from the settings, told to the workers, watched, and complained about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.base.words import Words
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.domain.recorder_line import RecorderConfig
from tocsin.domain.recorder_told import RecorderPorts, VolumeOrder, VolumeTold
from tocsin.domain.segments import GapReason, Tier, Volume, VolumeState
from tocsin.domain.store import Store

SAVE_EVERY_S: Final = 60.0
_TAKES: Final = frozenset({VolumeState.OK, VolumeState.SLOW})
_SEVERITIES: Final = {
    VolumeState.FULL: Severity.CRITICAL,
    VolumeState.SLOW: Severity.WARNING,
    VolumeState.READ_ONLY: Severity.CRITICAL,
    VolumeState.GONE: Severity.CRITICAL,
    VolumeState.FOREIGN: Severity.CRITICAL,
}

WORDS: Final = Words(
    {
        "recording.volume_full": (
            "The volume {location} is full: nothing more is recorded on it.",
            "录像卷 {location} 已满，不再写入录像。",
        ),
        "recording.volume_slow": (
            "The volume {location} is too slow: recordings wait to be written, and some may be left out.",
            "录像卷 {location} 写入过慢：录像排队等待，部分可能被丢弃。",
        ),
        "recording.volume_read_only": (
            "The volume {location} cannot be written to.",
            "录像卷 {location} 无法写入。",
        ),
        "recording.volume_gone": (
            "The volume {location} is gone: is its disk attached?",
            "录像卷 {location} 不可用，请检查磁盘是否已接好。",
        ),
        "recording.volume_foreign": (
            "The folder {location} holds recordings of another house, or files that are not recordings. "
            "Nothing is written there.",
            "目录 {location} 中有其他平台的录像或无关文件，不会在此写入录像。",
        ),
    }
)


def notice_key(state: VolumeState) -> str:
    """Return the key of the notice about a volume in a state."""
    return f"recording.volume_{state.value}"


class RecorderVolumes:
    """The volumes the house records on, as last told; the far place is not among them."""

    def __init__(
        self, store: Store, clock: Clock, ports: RecorderPorts, notices: NoticeBoard, config: RecorderConfig
    ) -> None:
        self._store = store
        self._clock = clock
        self._ports = ports
        self._notices = notices
        self._config = config
        self._volumes: dict[int, Volume] = {}
        self._unsaved: set[int] = set()
        self._saved_s: dict[int, float] = {}
        self._noticed: dict[int, VolumeState] = {}
        ports.events.on_volume = self.told

    async def start(self) -> None:
        """Enter the folders of the settings and tell the workers."""
        entered = await self._store.run(_enter, self._config)
        self._volumes = {volume.no: volume for volume in entered if volume.tier is not Tier.COLD}
        await self.tell()

    async def tell(self) -> None:
        """Tell the workers every volume; a new one gets its mark from the first that writes to it."""
        await self._ports.volumes_set(
            [
                VolumeOrder(
                    volume.no,
                    volume.id,
                    self._config.house_id,
                    volume.location,
                    volume.reserve_bytes,
                    may_enter=volume.seen_at is None,
                )
                for volume in self._volumes.values()
                if volume.kind == "folder"
            ]
        )

    def all(self) -> list[Volume]:
        """Return every volume, as last told."""
        return list(self._volumes.values())

    def for_stream(self, number: int) -> tuple[int, ...]:
        """Return the volumes a stream may be written to, the nearest tier first, spread over the streams."""
        mine = [one for one in self._volumes.values() if one.location in self._config.folders]
        found: list[int] = []
        for tier in (Tier.HOT, Tier.WARM):
            of_tier = [one.no for one in mine if one.tier is tier]
            at = number % len(of_tier) if of_tier else 0
            found += of_tier[at:] + of_tier[:at]
        return tuple(found)

    def problem(self) -> GapReason | None:
        """Return why nothing can be recorded on any volume; None when one takes recordings."""
        states = {one.state for one in self._volumes.values() if one.location in self._config.folders}
        if states & _TAKES:
            return None
        return GapReason.DISK_FULL if VolumeState.FULL in states else GapReason.DISK_GONE

    def told(self, told: VolumeTold) -> None:
        """Hear how a volume is doing, from a worker."""
        known = self._volumes.get(told.no)
        if known is None:
            return
        found = replace(
            known,
            state=VolumeState(told.state),
            total_bytes=told.total_bytes,
            free_bytes=told.free_bytes,
            seen_at=self._clock.now() if told.state in _TAKES else known.seen_at,
        )
        if found.state is not known.state or self._is_due(told.no):
            self._unsaved.add(told.no)
        self._volumes[told.no] = found

    def _is_due(self, no: int) -> bool:
        return self._clock.monotonic() - self._saved_s.get(no, -SAVE_EVERY_S) >= SAVE_EVERY_S

    async def check(self) -> None:
        """Keep what was told, and raise or clear notices. Errors: UNAVAILABLE; then it is done the next time."""
        for no in sorted(self._unsaved):
            volume = self._volumes[no]
            await self._store.run(_save, volume)
            self._saved_s[no] = self._clock.monotonic()
            self._unsaved.discard(no)
            await self._notice(volume)

    async def _notice(self, volume: Volume) -> None:
        before = self._noticed.get(volume.no, VolumeState.OK)
        if before is volume.state:
            return
        if before in _SEVERITIES:
            await self._notices.clear_notice(notice_key(before), volume.id)
        if volume.state in _SEVERITIES:
            await self._notices.raise_notice(
                notice_key(volume.state),
                _SEVERITIES[volume.state],
                subject_id=volume.id,
                params={"location": volume.location},
            )
        else:
            for state in _SEVERITIES:  # of a former run
                await self._notices.clear_notice(notice_key(state), volume.id)
        self._noticed[volume.no] = volume.state


def _enter(tx: Any, config: RecorderConfig) -> list[Volume]:
    known: dict[str, Volume] = {one.location: one for one in tx.segments.volumes() if one.kind == "folder"}
    for location in config.folders:
        volume = known.get(location) or Volume(new_id(), location)
        known[location] = tx.segments.enter_volume(
            replace(
                volume,
                tier=Tier.HOT,
                reserve_bytes=config.reserve_bytes,
                high_pct=config.high_pct,
                low_pct=config.low_pct,
            )
        )
    found: list[Volume] = tx.segments.volumes()
    return found


def _save(tx: Any, volume: Volume) -> None:
    tx.segments.save_volume_state(volume)
