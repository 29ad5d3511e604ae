"""A CAP 1.2 message as values, and as XML in the order of its schema. Both directions; the reading is lenient, the
writing is not.

Read leniently: the namespace of 1.1, `Z` for UTC, a polygon that is not closed. A signature is noted and trusted for
nothing. Bytes inside a resource (derefUri) are not kept apart.

Source: OASIS Common Alerting Protocol 1.2; EDXL-DE 1.0 and 2.0 (envelope); alarm reference, CAP 1.2 and EDXL-DE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lxml import etree

from tocsin.protocols.onvif.soap import Element, Unreadable, read_xml

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
READ_NAMESPACES: Final = (NAMESPACE, "urn:oasis:names:tc:emergency:cap:1.1")
SIGNATURES: Final = "http://www.w3.org/2000/09/xmldsig#"
CONTENT_TYPE: Final = "application/cap+xml"
MAX_INFOS: Final = 16
MAX_PARTS: Final = 64
MAX_POINTS: Final = 2_000
MAX_TEXT_CHARS: Final = 8_000
MAX_NAME_CHARS: Final = 400

STATUS: Final = ("Actual", "Exercise", "System", "Test", "Draft")
MSG_TYPE: Final = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPE: Final = ("Public", "Restricted", "Private")
CATEGORY: Final = (
    *("Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"),
)
RESPONSE: Final = (*("Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"),)
URGENCY: Final = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITY: Final = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTY: Final = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
_UNFIT: Final = re.compile(r"[\s,<&]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Reference:
    """Another message: sender, identifier, and when it was sent, as it stands there."""

    sender: str
    identifier: str
    sent: str


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle: latitude and longitude in degrees, radius in kilometres."""

    lat: float
    lon: float
    radius_km: float


@dataclass(frozen=True, slots=True)
class Area:
    """Where; polygons are points of (latitude, longitude), altitudes are feet above sea level."""

    desc: str
    polygons: tuple[tuple[Point, ...], ...] = ()
    circles: tuple[Circle, ...] = ()
    geocodes: tuple[tuple[str, str], ...] = ()
    altitude_ft: float | None = None
    ceiling_ft: float | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Something beside the message; its address is never opened by itself."""

    desc: str
    mime_type: str
    size_bytes: int | None = None
    uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Info:
    """What is said, in one language."""

    categories: tuple[str, ...]
    event: str
    urgency: str = "Unknown"
    severity: str = "Unknown"
    certainty: str = "Unknown"
    language: str = "en-US"
    responses: tuple[str, ...] = ()
    audience: str = ""
    event_codes: tuple[tuple[str, str], ...] = ()
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """A CAP message. `is_signed`: it carries an XML signature, which nobody has checked."""

    identifier: str
    sender: str
    sent: datetime
    status: str = "Actual"
    msg_type: str = "Alert"
    scope: str = "Public"
    source: str = ""
    restriction: str = ""
    addresses: str = ""
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: str = ""
    infos: tuple[Info, ...] = ()
    is_signed: bool = False

    @property
    def strange(self) -> str:
        """The status or kind of message that is none of the standard's, such as `status Real`; empty when both are."""
        if self.status not in STATUS:
            return f"status {self.status}"
        return "" if self.msg_type in MSG_TYPE else f"msgType {self.msg_type}"


@dataclass(frozen=True, slots=True)
class BadAlert:
    """Bytes that are no CAP message: the element at fault and a word."""

    field: str
    reason: str


class _Wrong(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.bad = BadAlert(field, reason)


# --- reading ----------------------------------------------------------------------------------------------------------


def read(data: bytes) -> list[Alert] | BadAlert:
    """Return the messages of a document: one, or those of a feed or an EDXL-DE envelope around them (64 at most)."""
    try:
        root = read_xml(data)
    except Unreadable as error:
        return BadAlert("xml", error.reason)
    found = [root] if _is(root, "alert") else [one for one in root.iter() if _is(one, "alert")][:MAX_PARTS]
    if not found:
        return BadAlert("alert", "missing")
    try:
        return [_alert(one) for one in found]
    except _Wrong as wrong:
        return wrong.bad


def split(data: bytes) -> list[bytes]:
    """Return the single messages of a document, each as bytes; the document itself when it is one, or is none."""
    try:
        root = read_xml(data)
    except Unreadable:
        return [data]
    if _is(root, "alert"):
        return [data]
    found = [one for one in root.iter() if _is(one, "alert")][:MAX_PARTS]
    return [etree.tostring(one, encoding="UTF-8", with_tail=False) for one in found] or [data]


def links_of(data: bytes) -> list[str] | BadAlert:
    """Return the addresses a feed (Atom or RSS) names, in its order, 64 at most."""
    try:
        root = read_xml(data)
    except Unreadable as error:
        return BadAlert("xml", error.reason)
    links: list[str] = []
    for one in root.iter():
        name = _local(one)
        if name not in ("entry", "item"):
            continue
        found = [part for part in one if _local(part) == "link"]
        typed = [part for part in found if "cap" in (part.get("type") or "")] or found
        for part in typed[:1]:
            address = (part.get("href") or part.text or "").strip()
            if address and len(address) <= 1024:
                links.append(address)
    return links[:MAX_PARTS]


def _local(element: Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _is(element: Element, name: str) -> bool:
    if not isinstance(element.tag, str):
        return False
    found = etree.QName(element)
    return found.localname == name and found.namespace in READ_NAMESPACES


def _parts(element: Element, name: str, most: int = MAX_PARTS) -> Iterator[Element]:
    count = 0
    for part in element:
        if _local(part) == name and etree.QName(part).namespace == etree.QName(element).namespace:
            count += 1
            if count > most:
                raise _Wrong(name, "too many")
            yield part


def _texts(element: Element, name: str, limit: int = MAX_NAME_CHARS) -> tuple[str, ...]:
    return tuple(
        text[:limit]
        for part in _parts(element, name)
        if (text := str(etree.tostring(part, method="text", encoding="unicode", with_tail=False)).strip())
    )


def _text(element: Element, name: str, limit: int = MAX_NAME_CHARS) -> str:
    return next(iter(_texts(element, name, limit)), "")


def _needed(element: Element, name: str) -> str:
    text = _text(element, name)
    if not text:
        raise _Wrong(name, "missing")
    return text


def _choice(element: Element, name: str, words: Sequence[str]) -> str:
    """Return one of the words of a closed list. Errors: _Wrong."""
    text = _needed(element, name)
    if (found := _listed(text, words)) is None:
        raise _Wrong(name, "not one of its words")
    return found


def _listed(text: str, words: Sequence[str]) -> str | None:
    return next((word for word in words if text.lower() == word.lower()), None)


def _degree(element: Element, name: str, words: Sequence[str]) -> str:
    """Return how urgent, severe or certain it is; a word of the sender's own is `Unknown`, and the warning counts."""
    return _listed(_needed(element, name), words) or "Unknown"


def _decisive(element: Element, name: str, words: Sequence[str]) -> str:
    """Return a word that decides what a message is; one that is in no list stays as it came (`Alert.strange`)."""
    text = _needed(element, name)
    return _listed(text, words) or text


def _moment(element: Element, name: str) -> datetime | None:
    text = _text(element, name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace("-00:00", "+00:00"))
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _Wrong(name, "no time with an offset")


def _alert(element: Element) -> Alert:
    identifier, sender = _needed(element, "identifier"), _needed(element, "sender")
    sent = _moment(element, "sent")
    if sent is None:
        raise _Wrong("sent", "missing")
    return Alert(
        identifier,
        sender,
        sent,
        _decisive(element, "status", STATUS),
        _decisive(element, "msgType", MSG_TYPE),
        _choice(element, "scope", SCOPE),
        _text(element, "source"),
        _text(element, "restriction"),
        _text(element, "addresses"),
        _texts(element, "code"),
        _text(element, "note", MAX_TEXT_CHARS),
        _references(_text(element, "references", MAX_TEXT_CHARS)),
        _text(element, "incidents"),
        tuple(_info(part) for part in _parts(element, "info", MAX_INFOS)),
        any(isinstance(part.tag, str) and etree.QName(part).namespace == SIGNATURES for part in element),
    )


def _references(text: str) -> tuple[Reference, ...]:
    found = []
    for word in text.split()[:MAX_PARTS]:
        parts = word.split(",")
        if len(parts) == 3 and parts[1]:
            found.append(Reference(*parts))
    return tuple(found)


def _info(element: Element) -> Info:
    categories = tuple(
        word for word in CATEGORY if word.lower() in {text.lower() for text in _texts(element, "category")}
    )
    return Info(
        categories or ("Other",),
        _needed(element, "event"),
        _degree(element, "urgency", URGENCY),
        _degree(element, "severity", SEVERITY),
        _degree(element, "certainty", CERTAINTY),
        _text(element, "language", 35) or "en-US",
        tuple(word for text in _texts(element, "responseType") for word in RESPONSE if word.lower() == text.lower()),
        _text(element, "audience"),
        _pairs(element, "eventCode"),
        _moment(element, "effective"),
        _moment(element, "onset"),
        _moment(element, "expires"),
        _text(element, "senderName"),
        _text(element, "headline"),
        _text(element, "description", MAX_TEXT_CHARS),
        _text(element, "instruction", MAX_TEXT_CHARS),
        _text(element, "web", 1024),
        _text(element, "contact"),
        _pairs(element, "parameter"),
        tuple(_resource(part) for part in _parts(element, "resource")),
        tuple(_area(part) for part in _parts(element, "area")),
    )


def _pairs(element: Element, name: str) -> tuple[tuple[str, str], ...]:
    return tuple((_text(part, "valueName"), _text(part, "value")) for part in _parts(element, name))


def _resource(element: Element) -> Resource:
    size = _text(element, "size")
    return Resource(
        _text(element, "resourceDesc"),
        _text(element, "mimeType"),
        int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
        _text(element, "uri", 1024),
        _text(element, "digest"),
    )


def _area(element: Element) -> Area:
    return Area(
        _needed(element, "areaDesc"),
        tuple(_polygon(text) for text in _texts(element, "polygon", 100_000)),
        tuple(_circle(text) for text in _texts(element, "circle")),
        _pairs(element, "geocode"),
        _feet(element, "altitude"),
        _feet(element, "ceiling"),
    )


def _polygon(text: str) -> tuple[Point, ...]:
    words = text.split()
    if len(words) > MAX_POINTS:
        raise _Wrong("polygon", "too many points")
    points = [_point("polygon", word) for word in words]
    if points and points[0] != points[-1]:
        points.append(points[0])
    if len(points) < 4:
        raise _Wrong("polygon", "fewer than three corners")
    return tuple(points)


def _circle(text: str) -> Circle:
    place, _, radius = text.partition(" ")
    lat, lon = _point("circle", place)
    return Circle(lat, lon, _number("circle", radius.strip(), 0, 20_040))


def _point(field: str, word: str) -> Point:
    lat, comma, lon = word.partition(",")
    if not comma:
        raise _Wrong(field, "no pair of latitude and longitude")
    return _number(field, lat, -90, 90), _number(field, lon, -180, 180)


def _number(field: str, word: str, low: float, high: float) -> float:
    try:
        found = float(word)
    except ValueError as error:
        raise _Wrong(field, "no number") from error
    if not low <= found <= high:
        raise _Wrong(field, "number out of its range")
    return found


def _feet(element: Element, name: str) -> float | None:
    text = _text(element, name)
    return _number(name, text, -50_000, 500_000) if text else None


# --- writing ----------------------------------------------------------------------------------------------------------


def time_text(moment: datetime) -> str:
    """Return a time as CAP writes it: with its offset, UTC as -00:00."""
    if moment.tzinfo is None:
        raise ValueError("a CAP time needs an offset")
    text = moment.replace(microsecond=0).isoformat()
    return text[:-6] + "-00:00" if moment.utcoffset() == timedelta() else text


def write(alert: Alert) -> bytes:
    """Return a message as XML, valid by the schema of 1.2. Errors: ValueError, naming what the caller left out."""
    for name, text in (("identifier", alert.identifier), ("sender", alert.sender)):
        if not text or _UNFIT.search(text):
            raise ValueError(f"{name} must not be empty nor hold spaces, commas, < or &")
    for name, word, words in (
        ("status", alert.status, STATUS),
        ("msgType", alert.msg_type, MSG_TYPE),
        ("scope", alert.scope, SCOPE),
    ):
        if word not in words:
            raise ValueError(f"{name} must be one of {', '.join(words)}")
    if alert.msg_type in ("Update", "Cancel", "Ack", "Error") and not alert.references:
        raise ValueError(f"{alert.msg_type} needs references")
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})  # type: ignore[dict-item]  # the default
    put = _putter(root)
    put("identifier", alert.identifier)
    put("sender", alert.sender)
    put("sent", time_text(alert.sent))
    put("status", alert.status)
    put("msgType", alert.msg_type)
    put("source", alert.source)
    put("scope", alert.scope)
    put("restriction", alert.restriction)
    put("addresses", alert.addresses)
    for code in alert.codes:
        put("code", code)
    put("note", alert.note)
    put("references", " ".join(f"{one.sender},{one.identifier},{one.sent}" for one in alert.references))
    put("incidents", alert.incidents)
    for info in alert.infos:
        _write_info(root, info)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _putter(parent: Element) -> Callable[[str, str], None]:
    def put(name: str, text: str) -> None:
        if text:
            etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = _CONTROL.sub("", text)

    return put


def _below(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")


def _write_info(root: Element, info: Info) -> None:
    if not info.categories or not info.event:
        raise ValueError("an info needs category and event")
    element = _below(root, "info")
    put = _putter(element)
    put("language", info.language)
    for word in info.categories:
        put("category", word)
    put("event", info.event)
    for word in info.responses:
        put("responseType", word)
    put("urgency", info.urgency)
    put("severity", info.severity)
    put("certainty", info.certainty)
    put("audience", info.audience)
    _write_pairs(element, "eventCode", info.event_codes)
    for name, moment in (("effective", info.effective), ("onset", info.onset), ("expires", info.expires)):
        put(name, time_text(moment) if moment is not None else "")
    put("senderName", info.sender_name)
    put("headline", info.headline)
    put("description", info.description)
    put("instruction", info.instruction)
    put("web", info.web)
    put("contact", info.contact)
    _write_pairs(element, "parameter", info.parameters)
    for resource in info.resources:
        part = _below(element, "resource")
        inside = _putter(part)
        inside("resourceDesc", resource.desc or "-")
        inside("mimeType", resource.mime_type or "application/octet-stream")
        inside("size", "" if resource.size_bytes is None else str(resource.size_bytes))
        inside("uri", resource.uri)
        inside("digest", resource.digest)
    for area in info.areas:
        _write_area(element, area)


def _write_pairs(parent: Element, name: str, pairs: Sequence[tuple[str, str]]) -> None:
    for value_name, value in pairs:
        part = _below(parent, name)
        _below(part, "valueName").text = _CONTROL.sub("", value_name)
        _below(part, "value").text = _CONTROL.sub("", value)


def _write_area(parent: Element, area: Area) -> None:
    element = _below(parent, "area")
    put = _putter(element)
    put("areaDesc", area.desc or "-")
    for polygon in area.polygons:
        put("polygon", " ".join(f"{lat:.6f},{lon:.6f}" for lat, lon in polygon))
    for circle in area.circles:
        put("circle", f"{circle.lat:.6f},{circle.lon:.6f} {circle.radius_km:g}")
    _write_pairs(element, "geocode", area.geocodes)
    put("altitude", "" if area.altitude_ft is None else f"{area.altitude_ft:g}")
    put("ceiling", "" if area.ceiling_ft is None else f"{area.ceiling_ft:g}")
