"""Sources that send messages, webhooks, MQTT devices, feeds of public warnings: what people enter of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.base.message_form import FORMS, MAX_CODES, PARTS, MessageForm, is_about_somebody
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.fields import refuse

MESSAGE_PROTOCOLS: Final = ("webhook", "mqtt", "cap")
INVERTED: Final = " inverted"
TOPICS: Final = ("topic", "status_topic")
MAX_TOPIC_CHARS: Final = 256
_NAME: Final = re.compile(r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$")
_CODE: Final = re.compile(r"^(?:[a-z_]{2,32}|sia:[A-Z]{2}|cid:[0-9A-F]{3,4})(?:\.restore)?$")

WORDS: Final = Words(
    {
        "webhook.unknown_source": ("There is no source of this name.", "没有该名称的消息来源。"),
        "webhook.no_secret": (
            "No secret has been made for this source yet: make one on its page.",
            "该来源尚未生成密钥，请在其页面上生成。",
        ),
        "webhook.header_missing": ("The header {field} is missing.", "缺少请求头 {field}。"),
        "webhook.header_form": ("The header {field} has the wrong form.", "请求头 {field} 格式不正确。"),
        "webhook.signature_wrong": (
            "The signature does not fit the body and this source's secret.",
            "签名与报文内容及该来源的密钥不符。",
        ),
        "webhook.outside_window": (
            "The time stamp is {skew_s} s off; at most {window_s} s are allowed. Set the sender's clock.",
            "时间戳相差 {skew_s} 秒，最多允许 {window_s} 秒，请校准发送方时钟。",
        ),
        "webhook.too_many": (
            "This source sends more than {per_s} messages a second; send again later.",
            "该来源每秒发送的消息超过 {per_s} 条，请稍后重发。",
        ),
        "message.not_json": ("The body is no JSON.", "报文不是 JSON。"),
        "message.too_large": ("A message has at most {limit_bytes} bytes.", "报文最多 {limit_bytes} 字节。"),
        "message.too_deep": ("The JSON is nested too deeply.", "JSON 嵌套过深。"),
        "message.missing": (
            "{field} is missing; it was looked for at “{at}”.",
            "缺少 {field}；查找位置为“{at}”。",
        ),
        "message.form": ("{field} at “{at}” has the wrong form.", "“{at}”处的 {field} 格式不正确。"),
        "message.no_list": ("“{at}” is no list of events.", "“{at}”不是事件列表。"),
        "message.too_many": ("A message has at most 100 events.", "一条报文最多包含 100 个事件。"),
        "message.no_cap": ("It is no CAP 1.2 message: {reason} at {field}.", "不是 CAP 1.2 报文：{field} {reason}。"),
        "message.about_somebody": (
            "{field}: “{path}” says who somebody is; that is not taken.",
            "{field}：“{path}”涉及个人身份，平台不接收。",
        ),
        "message.source_name": (
            "A source's name has 1 to 64 small letters, digits, hyphens.",
            "来源名称由 1 至 64 个小写字母、数字或连字符组成。",
        ),
        "message.no_source": ("This device sends no messages.", "该设备不是消息来源。"),
        "message.no_webhook": ("Only a webhook has a secret made here.", "只有 Webhook 来源可在此生成密钥。"),
        "message.topic_form": (
            "A topic has levels between slashes; + stands for one level, # for all below, at the end.",
            "主题由斜杠分隔的层级组成；+ 代表一层，# 代表其下全部层级，只能在末尾。",
        ),
        "message.code_form": (
            "A meaning is a word such as door_forced, sia:BA or cid:130, or ignore; “{value}” is none.",
            "含义应为 door_forced、sia:BA、cid:130 之类的代码或 ignore，“{value}”不是。",
        ),
    }
)


def form_of(settings: Mapping[str, Any]) -> MessageForm:
    """Return how the messages of a source with these settings are read."""
    given = settings.get("message") or {}
    return MessageForm(str(given.get("kind", "events")), dict(given.get("paths", {})), dict(given.get("codes", {})))


def covers(pattern: str, topic: str) -> bool:
    """Say whether a topic pattern covers a topic. Source: MQTT 5.0, topic filters."""
    wanted, given = pattern.split("/"), topic.split("/")
    if wanted[0] in ("+", "#") and topic.startswith("$"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


# --- what people may enter --------------------------------------------------------------------------------------------


def topic_rule(field_: str, value: Any) -> str:
    """A topic, with wild cards where MQTT has them."""
    if not value:
        return ""
    text = value.strip() if isinstance(value, str) else ""
    levels = text.split("/")
    is_right = 0 < len(text) <= MAX_TOPIC_CHARS and text.isprintable() and not text.startswith("$")
    if not is_right or any(
        ("#" in level and (level != "#" or place != len(levels) - 1)) or ("+" in level and level != "+")
        for place, level in enumerate(levels)
    ):
        raise refuse(field_, "message.topic_form", f"{field_} is no topic")
    return text


def message_rule(field_: str, value: Any) -> dict[str, Any]:
    """How messages are read: kind, paths of parts, codes."""
    if not isinstance(value, Mapping):
        raise refuse(field_, "registry.field_form", f"{field_} must be an object", form="{kind, paths, codes}")
    found = fields.read(value, {"kind": fields.choice(*FORMS), "paths": _paths, "codes": _codes})
    return {"kind": found.get("kind", "events"), "paths": found.get("paths", {}), "codes": found.get("codes", {})}


def inputs_rule(field_: str, value: Any) -> dict[str, str]:
    """What is wired to the alarm inputs of a camera: a word of ours for each, `inverted` behind it or not."""
    pairs = _pairs(field_, value, 32)
    for token, word in pairs.items():
        if not re.match(r"^[a-z_]{2,32}$", word.removesuffix(INVERTED)):
            raise refuse(f"{field_}.{token}", "message.code_form", f"{word} is no meaning", value=word)
    return pairs


def check_source(protocol: str, account: str, settings: Mapping[str, Any]) -> None:
    """Refuse what a source cannot work with. Errors: INVALID, naming the field."""
    if protocol == "webhook" and not _NAME.match(account):
        raise refuse("address.account", "message.source_name", "a source's name has small letters, digits, hyphens")
    if protocol == "mqtt" and not settings.get("topic"):
        raise refuse("address.topic", "registry.field_required", "topic must not be empty")


def _pairs(field_: str, value: Any, most: int) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > most:
        raise refuse(field_, "registry.field_form", f"{field_} must be an object", form=f"{{name: text}}, <= {most}")
    pairs = {}
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or len(name) > 64 or len(text) > 120:
            raise refuse(field_, "registry.field_form", f"{field_} must be texts", form="{name: text}")
        if text.strip():
            pairs[name.strip()] = text.strip()
    return pairs


def _paths(field_: str, value: Any) -> dict[str, str]:
    pairs = _pairs(field_, value, len(PARTS))
    for part, path in pairs.items():
        if part not in PARTS:
            raise refuse(f"{field_}.{part}", "registry.field_choice", "no such part", choices=", ".join(PARTS))
        if not path.startswith("=") and any(is_about_somebody(name) for name in path.split(".")):
            raise refuse(f"{field_}.{part}", "message.about_somebody", f"{path} says who somebody is", path=path)
    return pairs


def _codes(field_: str, value: Any) -> dict[str, str]:
    pairs = _pairs(field_, value, MAX_CODES)
    for word, code in pairs.items():
        if not _CODE.match(code):
            raise refuse(f"{field_}.{word}", "message.code_form", f"{code} is no meaning", value=code)
    return pairs
