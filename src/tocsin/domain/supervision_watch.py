"""One device as supervision sees it: where its deadlines count from, its paths, and what it may fall silent by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tocsin.domain.devices import DeviceState
from tocsin.domain.directory import DirectoryDevice, keepalive_s
from tocsin.domain.own_silence import Silence, heard_from, shifted
from tocsin.domain.paths import MAX_PATHS, Path, PathState, StoredPath, Way, rules_of
from tocsin.domain.spoken import SPOKEN, VIDEO
from tocsin.domain.supervision_causes import Cause, CauseRules, causes_of

MAX_LABEL: Final = 64
ASKED: Final = "sip"


@dataclass(frozen=True, slots=True)
class SupervisionRules:
    """How patient supervision is. A panel's grace is the longer of `misses` intervals and `factor` of them + 10 s.

    Intercoms do not report by themselves: they are asked every `ping_s`, and silent after `pings` without an answer.
    """

    check_s: float = 5.0
    misses: float = 2.0
    factor: float = 1.5
    start_grace_s: float = 120.0
    keepalive_misses: int = 3
    ping_s: float = 60.0
    pings: int = 3
    causes: CauseRules = field(default_factory=CauseRules)

    def grace_s(self, interval_s: float) -> float:
        """Return how long a panel may be silent."""
        return max(self.misses * interval_s, self.factor * interval_s + 10.0)

    @property
    def ping_grace_s(self) -> float:
        """How long an intercom may be silent; its gateway, which asks, finds that out before."""
        return (self.pings + 1) * self.ping_s + 10.0


class Watch:
    """One device under watch. `base` is where its deadline counts from: the last sign of life, shifted."""

    __slots__ = (
        "base",
        "causes",
        "code",
        "device_id",
        "dropped_at",
        "fault_key",
        "frame_faults",
        "grace_s",
        "interval_s",
        "is_online",
        "is_quiet",
        "is_raised",
        "is_receiver",
        "is_sip",
        "label",
        "path_rules",
        "paths",
        "protocol",
        "registered_until",
        "silent_since",
        "test_base",
        "test_interval_s",
        "test_misses",
    )

    def __init__(self, device: DirectoryDevice, rules: SupervisionRules, now: datetime) -> None:
        self.device_id = device.id
        self.code = device.jurisdiction_code
        self.protocol = device.protocol
        self.is_receiver = device.kind == "receiver"
        self.label = device.account or device.gb_id or device.name[:MAX_LABEL]
        self.is_sip = device.protocol in VIDEO  # a camera, registered or called
        spoken = SPOKEN[device.protocol]
        self.is_quiet = self.is_sip or spoken.is_mobile  # its silence alone is no alarm
        usual_s = device.poll_interval_s or spoken.poll_interval_s
        self.interval_s = float(keepalive_s(device)) if self.is_sip else usual_s
        usual_grace_s = max(rules.grace_s(self.interval_s), spoken.misses * self.interval_s + spoken.spare_s)
        self.grace_s = rules.keepalive_misses * self.interval_s if self.is_sip else usual_grace_s
        if device.protocol == ASKED:
            self.interval_s, self.grace_s = rules.ping_s, rules.ping_grace_s
        self.causes: tuple[Cause, ...] = causes_of(device, self.interval_s)
        self.base = device.last_seen_at
        self.is_online = device.state == DeviceState.ONLINE
        self.silent_since = device.last_seen_at
        self.dropped_at: datetime | None = None if self.is_online else device.state_since
        self.registered_until = device.registered_until if self.is_sip else None
        self.is_raised = False
        self.fault_key = ""
        self.frame_faults: dict[str, float] | None = None  # open ones with the figure last told
        self.path_rules = rules_of(device.settings)
        self.paths: dict[str, Path] = {}
        for rule in self.path_rules:
            self.paths[rule.name] = Path(device.id, rule.name, now, rule)
        self.test_interval_s = device.test_interval_s
        self.test_base = device.last_test_at or now
        self.test_misses = 0

    def deadline(self) -> datetime | None:
        """Return when silence becomes an event; None when the device is not supervised, or is known to be silent."""
        if not self.is_online or self.base is None or self.interval_s <= 0:
            return None
        silent = self.base + timedelta(seconds=self.grace_s)
        return silent if self.registered_until is None else min(silent, self.registered_until)

    def is_late(self, now: datetime, window_s: float) -> bool:
        """Say whether the device has missed a sign of life, or was lost within the window."""
        if self.interval_s <= 0:
            return False
        if not self.is_online:
            within_s = max(window_s, self.interval_s)
            return self.dropped_at is not None and (now - self.dropped_at).total_seconds() <= within_s
        return self.base is not None and (now - self.base).total_seconds() > 1.1 * self.interval_s + 2.0

    def shift(self, by: timedelta, now: datetime) -> None:
        """Move every deadline by our own silence."""
        if self.base is not None:
            self.base = shifted(self.base, by, now)
        if self.registered_until is not None:
            self.registered_until += by
        self.test_base = shifted(self.test_base, by, now)
        for path in self.paths.values():
            path.shift(by, now)

    def take_silences(self, silences: Sequence[Silence], last: timedelta, now: datetime) -> None:
        """Count our silences since each last sign of life; a registration goes on by `last`, the one that ends now."""
        if self.base is not None:
            self.base = heard_from(self.base, silences, now)
        if self.registered_until is not None:
            self.registered_until += last
        self.test_base = heard_from(self.test_base, silences, now)
        for path in self.paths.values():
            if path.base is not None:
                path.base = heard_from(path.base, silences, now)

    # --- paths ---

    def path_of(self, way: Way, now: datetime) -> Path | None:
        """Return the path a frame came by; a number nobody entered is learned, an address never is."""
        for rule in self.path_rules:
            if rule.fits(way):
                return self.paths[rule.name]
        if self.path_rules or not way.number:
            return None
        known = self.paths.get(way.number)
        if known is None and len(self.paths) < MAX_PATHS:
            known = self.paths[way.number] = Path(self.device_id, way.number, now)
        return known

    def paths_in_use(self) -> list[Path]:
        """Return the paths it was heard by, when there are several: one alone is the device itself."""
        found = [path for path in self.paths.values() if path.is_in_use]
        return found if len(found) > 1 else []

    def failed_paths(self) -> list[str]:
        """Return the names of the paths that have failed."""
        return [path.name for path in self.paths_in_use() if path.state is PathState.FAILED]

    def take_paths(self, kept: Sequence[StoredPath]) -> None:
        """Take up what was kept of its paths; one that is not entered any more is forgotten."""
        for one in kept:
            path = self.paths.get(one.name)
            if path is None and not self.path_rules and len(self.paths) < MAX_PATHS:
                path = self.paths[one.name] = Path(self.device_id, one.name, one.since)
            if path is not None:
                path.take(one)

    def keep(self, old: Watch) -> None:
        """Take over what is known of the same device from before a change of its settings."""
        for name in (
            "base",
            "is_online",
            "silent_since",
            "dropped_at",
            "is_raised",
            "fault_key",
            "frame_faults",
            "test_misses",
        ):
            setattr(self, name, getattr(old, name))
        for name, path in old.paths.items():
            if name in self.paths:
                path.rule = self.paths[name].rule
                self.paths[name] = path
            elif not self.path_rules and path.rule is None:
                self.paths[name] = path
        if self.is_sip:
            self.registered_until = old.registered_until
        if self.test_interval_s == old.test_interval_s:
            self.test_base = old.test_base
