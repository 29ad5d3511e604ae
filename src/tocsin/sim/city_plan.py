"""The simulated city: which devices there are, and what happens when. Numbers and a seed decide everything.

A device is the same in every run, whatever the seed and the share: a share of the city is its first devices. Only what
happens depends on the seed, and the same seed gives the same schedule to the millisecond.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from tocsin.protocols.jt808.messages import Edition
from tocsin.sim.panel_profiles import CodeForm, SimEvent

PANELS: Final = 3_786
INFRARED_ZONES: Final = 5_635
INTERCOMS: Final = 21_631
TERMINALS: Final = 1_200

MAINS_PANELS: Final = 3_000
MAINS_S: Final = 60.0
MAINS_BACK_AFTER_S: Final = 90.0
EVERYTHING_S: Final = 60.0
BURST_SIGNALS: Final = 10_000
BURST_S: Final = 10.0
BETWEEN_STORMS_S: Final = 2.0

LIFE: Final = ("FA", "PA", "HA", "MA", "GA")
LIFE_SHARE: Final = 0.1
EVERYDAY: Final = ("OP", "CL", "RP", "BA", "BR")
WITH_USER: Final = frozenset({"OP", "CL"})

CARRIERS: Final = ((0, 0.5), (1, 0.3), (2, 0.2))
"""Numbers of the carriers and their share of the devices; an outage of a carrier is one of the first."""
CUT_CARRIER: Final = 0
CUT_DISTRICT: Final = 0
"""The power district that a storm takes the mains from: 3,000 of the panels, and the intercoms among them."""
WITHOUT_BATTERY: Final = 0.8
"""The share of the intercoms that are dead without mains; panels and terminals have a battery."""

ODD_SHARE: Final = 0.35
ODD: Final = (
    *("old_pad", "lower_case", "g90b", "trikdis", "dahua", "text_block", "no_prefix", "eldes", "focus"),
    *("pyronix", "event_time", "dribbling"),
)
"""Makes with habits of their own; `xsia` is not among them: its polls name no account, so nobody can supervise it."""
KEYED: Final = frozenset({"standard", "old_pad", "lower_case", "trikdis", "dribbling"})
POLLS_S: Final = (60.0, 120.0, 300.0)
FIRST_PHONE: Final = 14_400_000_000
EDITIONS: Final = (Edition.Y2011, Edition.Y2013, Edition.Y2019)


class StormKind(StrEnum):
    """What befalls the city."""

    MAINS = "mains-district"
    EVERYTHING = "everything"
    BURST = "burst"


class OutageKind(StrEnum):
    """Whose way to the server is cut: the devices of one carrier, or all."""

    CARRIER = "carrier"
    SERVER = "server"


LASTS_S: Final = {
    StormKind.MAINS: MAINS_BACK_AFTER_S + MAINS_S,
    StormKind.EVERYTHING: EVERYTHING_S,
    StormKind.BURST: BURST_S,
}

CutKind = OutageKind | Literal[StormKind.MAINS]
"""What takes their way to the server from devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CityDevice:
    """One device: `carrier` a number of `CARRIERS`, `district` its power district (-1: it moves about)."""

    number: int
    account: str
    carrier: int
    district: int = -1
    has_battery: bool = True

    def hangs_on(self, kind: CutKind) -> bool:
        """Say whether it has no way to the server while that fails."""
        match kind:
            case OutageKind.CARRIER:
                return self.carrier == CUT_CARRIER
            case StormKind.MAINS:
                return self.district == CUT_DISTRICT and not self.has_battery
            case OutageKind.SERVER:
                return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CityPanel(CityDevice):
    """One panel of the city; `zones` are its infrared zones."""

    key: bytes
    form: CodeForm
    profile: str
    transport: str
    poll_interval_s: float
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CityTerminal(CityDevice):
    """One terminal of the city; the account is its telephone number."""

    edition: Edition


@dataclass(frozen=True, slots=True, kw_only=True)
class CityIntercom(CityDevice):
    """One intercom of the city; the account is its SIP user."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Devices have no way to the server, from `at_s` to `until_s` into the run, because something failed."""

    at_s: float
    until_s: float
    kind: CutKind


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at a panel, `at_s` into the run; `is_life` when it is about somebody's life."""

    at_s: float
    panel: int
    event: SimEvent
    is_life: bool = False


@dataclass(frozen=True, slots=True)
class Press:
    """A terminal's SOS button is pressed, or an intercom rings for help, `at_s` into the run."""

    at_s: float
    number: int


@dataclass(frozen=True, slots=True)
class CityPlan:
    """What the city does.

    `share` of the devices take part (0 to 1). Storms follow one another from `storm_at_s` on; a `pace` of 10 lets them
    pass in a tenth of their time. `rate_per_s` is what happens every day, in all. Outages last `outage_s` each, the
    first from `outage_at_s` on, with as long a pause between two. `retry_after_s` is how long a panel or terminal waits
    for its acknowledgement, `poll_s` how often each panel polls (0: as often as it does). The run ends when all of it
    has happened and `seconds` are over.
    """

    share: float = 1.0
    seed: int = 1
    seconds: float = 60.0
    storms: tuple[StormKind, ...] = ()
    storm_at_s: float = 5.0
    rate_per_s: float = 0.5
    presses: int = 0
    sos_calls: int = 0
    pace: float = 1.0
    outages: tuple[OutageKind, ...] = ()
    outage_at_s: float = 10.0
    outage_s: float = 30.0
    retry_after_s: float = 5.0
    poll_s: float = 0.0
    patience_s: float = 60.0

    def count(self, of: int) -> int:
        """Return how many of so many devices, or signals, a share of the city has; at least one."""
        return max(1, round(of * self.share))

    def storm_times(self) -> list[tuple[StormKind, float]]:
        """Return the storms, and when each begins."""
        found, begins_s = [], self.storm_at_s
        for kind in self.storms:
            found.append((kind, begins_s))
            begins_s += (LASTS_S[kind] + BETWEEN_STORMS_S) / self.pace
        return found


def city_panels(plan: CityPlan) -> list[CityPanel]:
    """Return the panels that take part, each with its one or two infrared zones."""
    return [_panel(number, plan.poll_s) for number in range(plan.count(PANELS))]


def _panel(number: int, poll_s: float) -> CityPanel:
    dice = random.Random(f"tocsin city panel {number}")
    profile = dice.choice(ODD) if dice.random() < ODD_SHARE else "standard"
    account = f"C{number + 1:05X}"
    is_keyed = dice.random() < 0.5 and profile in KEYED
    form = CodeForm.CID if dice.random() < 0.3 else CodeForm.SIA
    transport = "udp" if dice.random() < 0.25 and profile != "dribbling" else "tcp"
    usual_s = dice.choice(POLLS_S)
    first, after = (n * INFRARED_ZONES // PANELS for n in (number, number + 1))
    return CityPanel(
        number=number,
        account=account,
        key=key_of(account) if is_keyed else b"",
        form=form,
        profile=profile,
        transport=transport,
        poll_interval_s=poll_s or usual_s,
        carrier=_carrier(dice),
        district=_district(number),
        zones=tuple(f"{zone:03d}" for zone in range(1, after - first + 1)),
    )


def city_terminals(plan: CityPlan) -> list[CityTerminal]:
    """Return the terminals that take part."""
    found = []
    for number in range(plan.count(TERMINALS)):
        dice = random.Random(f"tocsin city terminal {number}")
        found.append(
            CityTerminal(
                number=number,
                account=str(FIRST_PHONE + number),
                carrier=_carrier(dice),
                edition=EDITIONS[number % len(EDITIONS)],
            )
        )
    return found


def city_intercoms(plan: CityPlan) -> list[CityIntercom]:
    """Return the intercoms that take part."""
    found = []
    for number in range(plan.count(INTERCOMS)):
        dice = random.Random(f"tocsin city intercom {number}")
        found.append(
            CityIntercom(
                number=number,
                account=f"city{number + 1:05d}",
                carrier=_carrier(dice),
                district=_district(number),
                has_battery=dice.random() >= WITHOUT_BATTERY,
            )
        )
    return found


def password_of_city() -> str:
    """Return the password of every intercom of the city: it protects nothing either."""
    return key_of("intercoms").hex()


def key_of(account: str) -> bytes:
    """Return the AES key of a panel of the city: anybody can work it out, so it protects nothing."""
    return hashlib.sha256(f"tocsin city key {account}".encode()).digest()[:16]


def _district(number: int) -> int:
    """Return the power district of a device; those of both lie among one another, so a share of the city has both."""
    return 0 if (number + 1) * MAINS_PANELS // PANELS > number * MAINS_PANELS // PANELS else 1


def _carrier(dice: random.Random) -> int:
    at = dice.random()
    for number, share in CARRIERS:
        at -= share
        if at < 0:
            return number
    return CARRIERS[-1][0]


# --- what happens -----------------------------------------------------------------------------------------------------


def happenings(plan: CityPlan, panels: Sequence[CityPanel]) -> list[Happening]:
    """Return everything that happens at the panels, in the order of time."""
    dice = random.Random(plan.seed)
    found: list[Happening] = []
    for kind, begins_s in plan.storm_times():
        found += storm(kind, plan, panels, dice, begins_s)
    for _ in range(round(plan.rate_per_s * plan.seconds)):
        code = dice.choice(EVERYDAY)
        panel = dice.choice(panels)
        event = SimEvent(code, user="001") if code in WITH_USER else SimEvent(code, zone=dice.choice(panel.zones))
        found.append(Happening(dice.uniform(0, plan.seconds), panel.number, event))
    return sorted(found, key=lambda one: one.at_s)


def storm(
    kind: StormKind, plan: CityPlan, panels: Sequence[CityPanel], dice: random.Random, begins_s: float
) -> list[Happening]:
    """Return what a storm that begins then does."""
    if kind is StormKind.MAINS:
        district = [panel.number for panel in panels if panel.district == CUT_DISTRICT]
        return [
            Happening(begins_s + (after_s + MAINS_S * n / len(district)) / plan.pace, panel, SimEvent(code))
            for code, after_s in (("AT", 0.0), ("AR", MAINS_BACK_AFTER_S))
            for n, panel in enumerate(dice.sample(district, len(district)))
        ]
    points = [(panel.number, zone) for panel in panels for zone in ("", *panel.zones)]
    lasts_s = LASTS_S[kind] / plan.pace
    if kind is StormKind.EVERYTHING:
        dice.shuffle(points)
    else:
        points = dice.choices(points, k=plan.count(BURST_SIGNALS))
    found = []
    for n, (panel, zone) in enumerate(points):
        is_life = not zone and dice.random() < LIFE_SHARE * len(points) / max(1, len(panels))
        code = dice.choice(LIFE) if is_life else "BA" if zone else "AT"
        found.append(Happening(begins_s + lasts_s * n / len(points), panel, SimEvent(code, zone=zone), is_life))
    return found


def cuts(plan: CityPlan) -> list[Cut]:
    """Return who has no way to the server and when: by the mains of a storm, and by the outages of the plan."""
    found = [
        Cut(begins_s, begins_s + MAINS_BACK_AFTER_S / plan.pace, StormKind.MAINS)
        for kind, begins_s in plan.storm_times()
        if kind is StormKind.MAINS
    ]
    for n, outage in enumerate(plan.outages):
        begins_s = plan.outage_at_s + n * 2 * plan.outage_s
        found.append(Cut(begins_s, begins_s + plan.outage_s, outage))
    return found


def presses(plan: CityPlan, count: int, pressed: int) -> list[Press]:
    """Return which of `count` devices call for help and when; none twice."""
    dice = random.Random(f"{plan.seed} presses")
    chosen = dice.sample(range(count), min(pressed, count))
    return sorted((Press(dice.uniform(0, plan.seconds), number) for number in chosen), key=lambda one: one.at_s)


def fingerprint(happened: Sequence[Happening]) -> str:
    """Return 16 hex digits that are the same for the same schedule."""
    text = "\n".join(f"{one.at_s:.3f} {one.panel} {one.event.code} {one.event.zone}" for one in happened)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
