"""The columns of import files, with the Chinese names they also go by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PLACE: Final = ("jurisdiction", "name", "name_en", "class", "address", "owner", "lon", "lat", "notes")
DEVICE: Final = (
    "jurisdiction", "place", "kind", "name", "name_en", "account", "gb_id", "prefix", "receiver", "key_hex", "key_text",
    "password", "poll_interval_s", "maker", "model", "line", "network", "feeder",
)  # fmt: skip
CAMERA: Final = (
    "camera", "jurisdiction", "place", "name", "name_en", "owner", "purpose", "lon", "lat", "bearing_deg", "fov_deg",
    "range_m", "loss_policy",
)  # fmt: skip
ZONE: Final = ("account", "gb_id", "prefix", "receiver", "zone", "name", "name_en", "kind", "jurisdiction", "place")
LINK: Final = ("account", "gb_id", "prefix", "receiver", "zone", "cameras")
_HOLDER: Final = ("device", "account", "gb_id", "prefix", "receiver")
ACCOUNT: Final = (*_HOLDER, "owner", "access", "passwords")
CONTACT: Final = (*_HOLDER, "contact", "role", "phone", "languages", "note", "review_on", "ends_on")
NOTE: Final = (*_HOLDER, "responder_note", "until")
POSITION: Final = (*_HOLDER, "zone", "plan", "x", "y")
PASSWORD: Final = (*_HOLDER, "label", "word", "is_duress", "ends_on")
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "place": PLACE,
    "device": DEVICE,
    "camera": CAMERA,
    "zone": ZONE,
    "link": LINK,
    "account": ACCOUNT,
    "contact": CONTACT,
    "note": NOTE,
    "position": POSITION,
    "password": PASSWORD,
}
NUMBERS: Final = frozenset({"lon", "lat", "poll_interval_s", "bearing_deg", "fov_deg", "range_m", "x", "y"})
TOLD_ONLY: Final = frozenset({"passwords"})
"""Columns of what is taken out that say something and enter nothing."""
CHINESE: Final[Mapping[str, str]] = {
    "jurisdiction": "行政区划代码",
    "name": "名称",
    "name_en": "英文名称",
    "class": "场所类别",
    "address": "地址",
    "owner": "责任单位",
    "lon": "经度",
    "lat": "纬度",
    "notes": "备注",
    "place": "场所",
    "kind": "类型",
    "account": "主机账号",
    "gb_id": "国标编号",
    "prefix": "前缀",
    "receiver": "接收号",
    "key_hex": "密钥（十六进制）",
    "key_text": "密钥（字符）",
    "password": "密码",
    "poll_interval_s": "巡检间隔（秒）",
    "maker": "厂商",
    "model": "型号",
    "line": "上联线路",
    "network": "运营商",
    "feeder": "供电台区",
    "camera": "摄像机编号",
    "purpose": "用途",
    "bearing_deg": "朝向（度）",
    "fov_deg": "视场角（度）",
    "range_m": "视距（米）",
    "loss_policy": "丢包策略",
    "zone": "防区号",
    "cameras": "关联摄像机",
    "device": "设备标识",
    "access": "进入方式",
    "contact": "联系人",
    "role": "身份",
    "phone": "电话",
    "languages": "语言",
    "note": "联系备注",
    "review_on": "复核日期",
    "ends_on": "终止日期",
    "passwords": "口令数",
    "responder_note": "出警提示",
    "until": "有效至",
    "plan": "平面图",
    "x": "横向位置",
    "y": "纵向位置",
    "label": "口令用途",
    "word": "口令",
    "is_duress": "胁迫口令",
}
_TELLS: Final = {
    "contact": "contact",
    "responder_note": "note",
    "word": "password",
    "plan": "position",
    "access": "account",
    "cameras": "link",
    "zone": "zone",
    "camera": "camera",
}  # the first of these columns that is there
_BY_NAME: Final = {**{name: name for name in CHINESE}, **{chinese: name for name, chinese in CHINESE.items()}}


def column_of(header: str) -> str:
    """Return the column a header means; what is unknown comes back as it is, folded."""
    folded = header.strip().lower().replace("(", "（").replace(")", "）")
    return _BY_NAME.get(folded, header.strip().lower())


def kind_of(columns: Iterable[str]) -> str:
    """Return what a file with these columns lists."""
    found = set(columns)
    for column, kind in _TELLS.items():
        if column in found:
            return kind
    return "device" if found & {"account", "gb_id"} else "place"


def template(kind: str, language: str) -> list[tuple[str, ...]]:
    """Return the first line of a file of a kind."""
    names = [name for name in KINDS[kind] if name not in TOLD_ONLY]
    return [tuple(CHINESE[name] if language.startswith("zh") else name for name in names)]
