"""MANSCDP documents: XML bodies <-> a small tree, with the repairs the field needs and the doors XML opens shut.

No document type, no entity, no network; size, depth and number of elements are limited. Names compare without case.

Source: GB/T 28181-2022, annex on the MANSCDP protocol; field reports on broken documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

from tocsin.protocols.gb28181.charset import Charset, Label, decode_text, encode_text

MAX_DOCUMENT_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 16
MAX_ELEMENTS: Final = 100_000
ROOTS: Final = frozenset({"control", "query", "notify", "response"})
CONTENT_TYPE: Final = "Application/MANSCDP+xml"

_DECLARATION: Final = re.compile(r"\A\s*<\?xml[^>]*\?>", re.IGNORECASE)
_DOCTYPE: Final = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_BARE_AMPERSAND: Final = re.compile(r"&(?!(?:amp|lt|gt|apos|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ONE_LINE: Final = re.compile(r"^(?P<pad>[ \t]*)<(?P<name>[A-Za-z]\w*)>(?P<text>[^\r\n]*)</(?P=name)>[ \t]*\r?$", re.M)
_INTEGER: Final = re.compile(r"\s*[+-]?\d{1,18}\s*\Z", re.ASCII)

Content = str | int | float | Sequence["Pair"] | None
Pair = tuple[str, Content]


@dataclass(frozen=True, slots=True)
class Element:
    """One element: name as written, text stripped, attributes, children in order."""

    name: str
    text: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Element, ...] = ()

    def child(self, name: str) -> Element | None:
        """Return the first child of that name, in any case, or None."""
        wanted = name.lower()
        return next((item for item in self.children if item.name.lower() == wanted), None)

    def all(self, name: str) -> Iterator[Element]:
        """Yield the children of that name, in any case."""
        wanted = name.lower()
        return (item for item in self.children if item.name.lower() == wanted)

    def get(self, name: str, default: str = "") -> str:
        """Return the text of a child, or the default when it is absent or empty."""
        found = self.child(name)
        return found.text if found is not None and found.text else default

    def integer(self, name: str) -> int | None:
        """Return a child's text as an integer; None when absent or not one ("null" occurs)."""
        text = self.get(name)
        return int(text) if _INTEGER.match(text) else None

    def number(self, name: str) -> float | None:
        """Return a child's text as a finite number, or None."""
        try:
            value = float(self.get(name))
        except ValueError:
            return None
        return value if abs(value) < 1e12 else None

    def attribute(self, name: str) -> str:
        """Return an attribute, in any case, or an empty string."""
        return next((value for key, value in self.attributes if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Document:
    """A MANSCDP document and how it had to be read."""

    root: Element
    charset: Charset
    charset_is_certain: bool = False
    was_repaired: bool = False

    @property
    def kind(self) -> str:
        """The root in lower case: control, query, notify or response."""
        return self.root.name.lower()

    @property
    def cmd_type(self) -> str:
        return self.root.get("CmdType")

    @property
    def sn(self) -> int | None:
        """The serial number; None when missing, zero or unreadable."""
        value = self.root.integer("SN")
        return value if value else None

    @property
    def device_id(self) -> str:
        return self.root.get("DeviceID")


@dataclass(frozen=True, slots=True)
class BadDocument:
    """A body that could not be read; `reason` is one of the words of `docs/protocols/gb28181.md`."""

    reason: str
    charset: Charset = Charset.GB18030


def parse_document(body: bytes, learned: str = "", max_bytes: int = MAX_DOCUMENT_BYTES) -> Document | BadDocument:
    """Read a body, repairing what vendors break; a document cut short is refused, never half believed."""
    if len(body) > max_bytes:
        return BadDocument("too_large")
    decoded = decode_text(body, learned)
    text = _DECLARATION.sub("", decoded.text.strip("\ufeff\x00 \t\r\n"), count=1)
    if _DOCTYPE.search(text):
        return BadDocument("document_type", decoded.charset)
    if "<" not in text:
        return BadDocument("empty", decoded.charset)
    if text.count("<") > 2 * MAX_ELEMENTS:
        return BadDocument("too_large", decoded.charset)
    was_repaired = False
    root = _parse(text)
    if root is None:
        root = _parse(repair(text))
        was_repaired = True
    if root is None:
        return BadDocument("malformed", decoded.charset)
    tree = _tree(root)
    if tree is None:
        return BadDocument("too_deep", decoded.charset)
    if tree.name.lower() not in ROOTS:
        return BadDocument("unknown_root", decoded.charset)
    return Document(tree, decoded.charset, decoded.is_certain, was_repaired)


def repair(text: str) -> str:
    """Escape bare ampersands, drop control characters, and drop one-line elements whose text holds a raw <."""
    cleaned = _BARE_AMPERSAND.sub("&amp;", _CONTROL.sub("", text))
    return _ONE_LINE.sub(lambda line: "" if _breaks(line["text"]) else line[0], cleaned)


def build_document(
    root: str, cmd_type: str, sn: int, device_id: str, fields: Sequence[Pair] = (), *, label: Label = Label.GB2312
) -> bytes:
    """Return a body: CmdType, SN and DeviceID first, then the fields in order; None leaves a field out."""
    lines = [f'<?xml version="1.0" encoding="{label.value}"?>', f"<{root}>"]
    write_fields(lines, [("CmdType", cmd_type), ("SN", sn), ("DeviceID", device_id), *fields])
    lines += [f"</{root}>", ""]
    return encode_text("\r\n".join(lines), label)


def document_of(root: Element, label: Label = Label.GB18030) -> bytes:
    """Return a tree as a body; attributes are left out."""
    lines = [f'<?xml version="1.0" encoding="{label.value}"?>']
    write_fields(lines, [_pair(root)])
    return encode_text("\r\n".join([*lines, ""]), label)


def catalog_query(sn: int, device_id: str, label: Label = Label.GB2312) -> bytes:
    """Return the question for everything below an id."""
    return build_document("Query", "Catalog", sn, device_id, label=label)


def device_info_query(sn: int, device_id: str, label: Label = Label.GB2312) -> bytes:
    """Return the question for maker, model and firmware."""
    return build_document("Query", "DeviceInfo", sn, device_id, label=label)


def key_frame_request(sn: int, channel_id: str, version: str = "", label: Label = Label.GB2312) -> bytes:
    """Return the request for a key frame, in the spelling of the peer's edition."""
    name = "IFrameCmd" if version.strip().startswith("3") else "IFameCmd"
    return build_document("Control", "DeviceControl", sn, channel_id, [(name, "Send")], label=label)


def keepalive_notify(sn: int, device_id: str, faulty: Sequence[str] = (), label: Label = Label.GB2312) -> bytes:
    """Return a keepalive; `faulty` lists sub-devices that do not work."""
    info: list[Pair] = [("DeviceID", item) for item in faulty]
    fields: list[Pair] = [("Status", "OK"), *([("Info", info)] if info else [])]
    return build_document("Notify", "Keepalive", sn, device_id, fields, label=label)


def catalog_response(
    sn: int | None, device_id: str, total: int, items: Sequence[Sequence[Pair]], label: Label = Label.GB2312
) -> bytes:
    """Return one page of a catalogue; an empty catalogue has no list element. `sn` None leaves SN out (a quirk)."""
    lines = [f'<?xml version="1.0" encoding="{label.value}"?>', "<Response>"]
    head: list[Pair] = [("CmdType", "Catalog"), ("SN", sn), ("DeviceID", device_id), ("SumNum", total)]
    write_fields(lines, head)
    if items:
        lines.append(f'<DeviceList Num="{len(items)}">')
        for item in items:
            write_fields(lines, [("Item", item)])
        lines.append("</DeviceList>")
    lines += ["</Response>", ""]
    return encode_text("\r\n".join(lines), label)


def result_response(
    cmd_type: str,
    sn: int,
    device_id: str,
    fields: Sequence[Pair] = (),
    *,
    is_ok: bool = True,
    label: Label = Label.GB2312,
) -> bytes:
    """Return a Response with Result OK or ERROR and further fields."""
    result: Pair = ("Result", "OK" if is_ok else "ERROR")
    return build_document("Response", cmd_type, sn, device_id, [result, *fields], label=label)


def fields_of(element: Element) -> Mapping[str, str]:
    """Return the texts of the children by name as written; used to keep unknown fields raw."""
    return {item.name: item.text for item in element.children if not item.children}


def _pair(element: Element) -> Pair:
    if not element.children:
        return element.name, element.text
    return element.name, [_pair(item) for item in element.children]


def write_fields(lines: list[str], fields: Sequence[Pair]) -> None:
    """Append fields as elements, one a line; None leaves a field out."""
    for name, content in fields:
        if content is None:
            continue
        if isinstance(content, str | int | float):
            lines.append(f"<{name}>{escape(_CONTROL.sub('', str(content)))}</{name}>")
        else:
            lines.append(f"<{name}>")
            write_fields(lines, content)
            lines.append(f"</{name}>")


def _breaks(text: str) -> bool:
    """True when a one-line element holds a < that begins neither a balanced inline child nor CDATA."""
    if "<" not in text or text.startswith("<![CDATA["):
        return False
    return _parse(f"<x>{text}</x>") is None


def _parse(text: str) -> etree._Element | None:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _tree(root: etree._Element) -> Element | None:
    """Copy the tree into plain values; None when it is too deep or too large."""
    budget = [MAX_ELEMENTS]

    def copy(node: etree._Element, depth: int) -> Element | None:
        budget[0] -= 1
        if depth > MAX_DEPTH or budget[0] < 0:
            return None
        children: list[Element] = []
        for child in node:
            if not isinstance(child.tag, str):
                continue
            made = copy(child, depth + 1)
            if made is None:
                return None
            children.append(made)
        attributes = tuple((str(key), str(value)) for key, value in node.attrib.items()) if node.attrib else ()
        return Element(etree.QName(node).localname, (node.text or "").strip(), attributes, tuple(children))

    return copy(root, 1)
