"""How a simulated device is set: its answers to ConfigDownload and DeviceConfig."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from tocsin.base.clock import Clock
from tocsin.protocols.gb28181.configuration import CONFIG_DOWNLOAD, DEVICE_CONFIG
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair, result_response
from tocsin.sim.camera_plan import Quirk
from tocsin.sim.camera_snapshots import take_and_upload

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera


def _stream(number: int, resolution: str, kbps: int) -> Pair:
    names = ("StreamNumber", "VideoFormat", "Resolution", "FrameRate", "BitRateType", "VideoBitRate")
    values = (number, 2, resolution, 25, 2, kbps)
    return "Item", list(zip(names, values, strict=True))


_MORNING: Final[list[Pair]] = list(
    zip(("StartHour", "StartMin", "StartSec", "StopHour", "StopMin", "StopSec"), (8, 0, 0, 12, 30, 0), strict=True)
)
_DAY: Final[list[Pair]] = [("WeekDayNum", 1), ("TimeSegmentSumNum", 1), ("TimeSegment", _MORNING)]
AT_FIRST: Final[Mapping[str, list[Pair]]] = {
    "VideoParamAttribute": [_stream(0, "1920x1080", 4096), _stream(1, "640x360", 512)],
    "VideoRecordPlan": [
        ("RecordEnable", 1), ("RecordScheduleSumNum", 1), ("RecordSchedule", _DAY), ("StreamNumber", 0),
    ],
    "VideoAlarmRecord": [("RecordEnable", 1), ("StreamNumber", 0), ("RecordTime", 30), ("PreRecordTime", 5)],
    "PictureMask": [("On", 0), ("SumNum", 0)],
    "AlarmReport": [("MotionDetection", 1), ("FieldDetection", 0)],
    "OSDConfig": [
        ("Length", 704), ("Width", 576), ("TimeX", 16), ("TimeY", 16), ("TimeEnable", 1), ("TimeType", 0),
        ("TextEnable", 1), ("SumNum", 1), ("Item", [("Text", "东门"), ("X", 16), ("Y", 540)]),
    ],
}  # fmt: skip


class SimSettings:
    """The values of a device: `basic` of the device itself, `mirror` and the other types (2022) by channel."""

    def __init__(self, camera: SimCamera) -> None:
        self._camera = camera
        self.basic: dict[str, str] = {
            "Name": "模拟设备", "Expiration": "3600", "HeartBeatInterval": "60", "HeartBeatCount": "3",
        }  # fmt: skip
        self.mirror: dict[str, str] = {}
        self.types: dict[tuple[str, str], list[Pair]] = {}
        self.uploads: list[int] = []
        self.download_speeds = "1/2/4"
        self.paces: Clock | None = None
        self.still: Callable[[str], Awaitable[bytes]] | None = None

    def take(self, document: Document) -> bool:
        """Take a question or a command about settings; False when it is about something else."""
        command = document.cmd_type.lower()
        if document.kind == "query" and command == CONFIG_DOWNLOAD.lower():
            is_joint = "/" in document.root.get("ConfigType")
            refuses = is_joint and Quirk.ONE_CONFIG_A_QUESTION in self._camera.plan.quirks
            fields = [] if refuses else self._fields(document)
            self._answer(CONFIG_DOWNLOAD, document, fields, is_ok=not refuses)
        elif document.kind == "control" and command == DEVICE_CONFIG.lower():
            self._answer(DEVICE_CONFIG, document, [], is_ok=self._set(document))
        else:
            return False
        return True

    def _fields(self, document: Document) -> list[Pair]:
        types = document.root.get("ConfigType").split("/")
        found: list[Pair] = []
        if "BasicParam" in types:
            name = "BasicParamCfg" if Quirk.OTHER_CONFIG_NAME in self._camera.plan.quirks else "BasicParam"
            found.append((name, list(self.basic.items())))
        if "VideoParamOpt" in types and self.download_speeds:
            found.append(("VideoParamOpt", [("DownloadSpeed", self.download_speeds), ("Resolution", "5/6")]))
        if "FrameMirror" in types:
            found.append(("FrameMirror", self.mirror.get(document.device_id, "0")))
        plan = self._camera.plan
        if plan.version.startswith("3") and (document.device_id != plan.gb_id or not plan.channels):
            found += [
                (name, self.types.get((document.device_id, name), values))
                for name, values in AT_FIRST.items()
                if name in types
            ]
        return found

    def _set(self, document: Document) -> bool:
        root, plan = document.root, self._camera.plan
        if Quirk.FAILS_CONTROL in plan.quirks:
            return False
        snapshots = root.child("SnapShotConfig")
        if snapshots is not None and plan.version.startswith("3"):
            self._camera.start(take_and_upload(self._camera, document.device_id, snapshots, self.uploads))
            return True
        basic, mirror = root.child("BasicParam"), root.child("FrameMirror")
        if basic is not None and document.device_id == plan.gb_id:
            self.basic.update({child.name: child.text for child in basic.children})
            return True
        for name in AT_FIRST:
            given = root.child(name)
            if given is not None and plan.version.startswith("3"):
                self.types[document.device_id, name] = _pairs(given)
                return True
        if mirror is not None and plan.version.startswith("3"):
            self.mirror[document.device_id] = mirror.text
            return True
        return False

    def _answer(self, command: str, document: Document, fields: list[Pair], *, is_ok: bool = True) -> None:
        camera = self._camera
        body = result_response(command, document.sn or 1, document.device_id, fields, is_ok=is_ok, label=camera.label)
        camera.start(camera.wire.transact(camera.outgoing("MESSAGE", body)))


def _pairs(element: Element) -> list[Pair]:
    return [(child.name, _pairs(child) if child.children else child.text) for child in element.children]
