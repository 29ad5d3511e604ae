"""What a simulated 2022 device keeps for its keeper: cards, tours, firmware; its answers, formatting and upgrades."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tocsin.protocols.gb28181 import camera_state as state
from tocsin.protocols.gb28181.maintenance import (
    Upgrade,
    UpgradeResult,
    read_format,
    read_upgrade,
    upgrade_result,
)
from tocsin.protocols.gb28181.manscdp import Document, result_response
from tocsin.sim.camera_plan import Quirk

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera

QUESTIONS: Final = frozenset(
    command.lower()
    for command in (
        state.SD_CARDS, state.HOME_POSITION, state.CRUISE_TRACKS, state.CRUISE_TRACK, state.PTZ_POSITION,
    )
)  # fmt: skip
FULL_CARD: Final = state.SdCard(1, "SD1", "ok", None, 131_072, 4_096)


class SimMaintenance:
    """`cards` of the device, its `firmware`, the upgrades it was told and the cards it erased."""

    def __init__(self, camera: SimCamera) -> None:
        self._camera = camera
        self.cards: tuple[state.SdCard, ...] = (FULL_CARD,)
        self.firmware = "1.0"
        self.upgrades: list[Upgrade] = []
        self.formatted: list[int] = []
        self.result_status = 0

    def take(self, document: Document) -> bool:
        """Take a question or command of these; False when it is about something else or this edition knows none."""
        camera, command = self._camera, document.cmd_type.lower()
        if not camera.plan.version.startswith("3"):
            return False
        if document.kind == "query" and command in QUESTIONS:
            quirks = camera.plan.quirks
            if Quirk.REFUSES_STATE_QUERY in quirks:
                self._send(result_response(document.cmd_type, document.sn or 1, document.device_id, is_ok=False))
            elif Quirk.SILENT_TO_STATE_QUERY not in quirks:
                self._send(self._answer(command, document))
            return True
        if document.kind != "control" or command != "devicecontrol":
            return False
        card, upgrade = read_format(document), read_upgrade(document)
        if card is not None:
            self._format(card)
        elif upgrade is not None:
            self._upgrade(document, upgrade)
        return card is not None or upgrade is not None

    async def tell_upgraded(self, upgrade: Upgrade, *, is_ok: bool = True, reason: str = "") -> int:
        """Tell how an upgrade ended; return the status, 0 when none came."""
        camera = self._camera
        if is_ok:
            self.firmware = upgrade.firmware
        result = UpgradeResult(upgrade.session, is_ok, self.firmware, reason)
        body = upgrade_result(camera.next_sn(), camera.plan.gb_id, result, camera.label)
        response = await camera.wire.transact(camera.outgoing("MESSAGE", body))
        self.result_status = response.status if response is not None else 0
        return self.result_status

    def _answer(self, command: str, document: Document) -> bytes:
        camera, sn, target = self._camera, document.sn or 1, document.device_id
        head = camera.heads.get(target) or next(iter(camera.heads.values()))
        if command == state.SD_CARDS.lower():
            return state.cards_response(sn, target, self.cards, camera.label)
        if command == state.HOME_POSITION.lower():
            return state.home_response(sn, target, head.home, camera.label)
        if command == state.CRUISE_TRACKS.lower():
            tracks = [state.CruiseTrack(number, f"巡航{number}") for number in head.tours]
            return state.tracks_response(sn, target, tracks, camera.label)
        if command == state.CRUISE_TRACK.lower():
            number = document.root.integer("Number") or 0
            points = [state.CruisePoint(*stop) for stop in head.tours.get(number, ())]
            return state.points_response(sn, target, state.CruiseTrack(number, f"巡航{number}"), points, camera.label)
        aim = head.look()
        seen = state.AimState(aim.pan_deg, aim.tilt_deg, aim.zoom, 60.0 / aim.zoom, 34.0 / aim.zoom, 200.0)
        return state.aim_response(sn, target, seen, camera.label)

    def _format(self, card: int) -> None:
        self.formatted.append(card)
        self.cards = tuple(
            replace(one, state="ok", free_mb=one.capacity_mb) if card in (0, one.number) else one for one in self.cards
        )

    def _upgrade(self, document: Document, upgrade: Upgrade) -> None:
        camera = self._camera
        self.upgrades.append(upgrade)
        is_ok = Quirk.FAILS_CONTROL not in camera.plan.quirks
        self._send(result_response("DeviceControl", document.sn or 1, document.device_id, is_ok=is_ok))
        if is_ok and Quirk.NEVER_TELLS_UPGRADE not in camera.plan.quirks:
            fails = Quirk.FAILS_UPGRADE in camera.plan.quirks
            camera.start(self.tell_upgraded(upgrade, is_ok=not fails, reason="校验失败" if fails else ""))

    def _send(self, body: bytes) -> None:
        camera = self._camera
        camera.start(camera.wire.transact(camera.outgoing("MESSAGE", body)))
