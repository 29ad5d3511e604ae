"""SOAP 1.2 as ONVIF uses it: envelopes out, envelopes in, the user name token, faults. Pure.

What a camera sends is read with entities, networks and document types off and a cap on size. Names are matched without
their prefixes, and without their namespaces where cameras get those wrong.

Source: SOAP 1.2; WS-Security UsernameToken profile 1.0 (digest); ONVIF Core, security and fault handling.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
CONTENT_TYPE: Final = "application/soap+xml; charset=utf-8"

_WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl"'
    ' xmlns:timg="http://www.onvif.org/ver20/imaging/wsdl" xmlns:tev="http://www.onvif.org/ver10/events/wsdl"'
    ' xmlns:tmd="http://www.onvif.org/ver10/deviceIO/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema">'
)

Element = etree._Element


class Unreadable(Exception):
    """Bytes that are no envelope; `reason` is a word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fault:
    """What a camera says instead of an answer; codes without prefixes."""

    code: str
    subcodes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_about_credentials(self) -> bool:
        """True when the camera wants a user, or refuses the one given."""
        words = {word.lower() for word in (self.code, *self.subcodes)}
        return bool(
            words & {"notauthorized", "failedauthentication", "invalidsecurity", "senderNotAuthorized".lower()}
        ) or ("not authorized" in self.reason.lower())

    @property
    def says(self) -> str:
        """Return it in a few words of its own."""
        return (self.reason or (self.subcodes[-1] if self.subcodes else self.code))[:120]


def envelope(body: str, *, security: str = "", headers: str = "") -> bytes:
    """Return an envelope around `body`, whose prefixes are those ONVIF's documents use."""
    head = f"<s:Header>{security}{headers}</s:Header>" if security or headers else ""
    return f"{_HEAD}{head}<s:Body>{body}</s:Body></s:Envelope>".encode()


def username_token(username: str, password: str, nonce: bytes, created: datetime) -> str:
    """Return the security header: Base64(SHA-1(nonce + created + password)); `created` is the camera's clock."""
    stamp = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{created.microsecond // 1000:03d}Z"
    digest = hashlib.sha1(nonce + stamp.encode() + password.encode(), usedforsecurity=False).digest()
    return (
        f'<wsse:Security xmlns:wsse="{_WSSE}" xmlns:wsu="{_WSU}" s:mustUnderstand="1"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(username)}</wsse:Username>"
        f'<wsse:Password Type="{_PROFILE}#PasswordDigest">{b64encode(digest).decode()}</wsse:Password>'
        f"<wsse:Nonce>{b64encode(nonce).decode()}</wsse:Nonce><wsu:Created>{stamp}</wsu:Created>"
        "</wsse:UsernameToken></wsse:Security>"
    )


def read_xml(data: bytes) -> Element:
    """Return the root of a document from a stranger. Errors: Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable("too_large")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"\x00" in data[:64]:
        raise Unreadable("document_type")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(data.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("not_xml") from error
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("document_type")
    return root


def read_envelope(data: bytes) -> Element | Fault:
    """Return the first element of the body, or the fault. Errors: Unreadable."""
    body = child(read_xml(data), "Body")
    if body is None:
        raise Unreadable("no_envelope")
    first = next((item for item in body if isinstance(item.tag, str)), None)
    if first is None:
        raise Unreadable("empty")
    return _fault(first) if local(first) == "Fault" else first


def _fault(element: Element) -> Fault:
    code = child(element, "Code")
    if code is None:  # SOAP 1.1
        return Fault(_word(text(element, "faultcode")), (), text(element, "faultstring")[:200])
    subcodes: list[str] = []
    sub = child(code, "Subcode")
    while sub is not None and len(subcodes) < 8:
        subcodes.append(_word(text(sub, "Value")))
        sub = child(sub, "Subcode")
    return Fault(_word(text(code, "Value")), tuple(subcodes), text(element, "Reason", "Text")[:200])


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""


def child(element: Element | None, *names: str) -> Element | None:
    """Return the element on this path of names below; None when there is none."""
    for name in names:
        if element is None:
            return None
        element = next((item for item in element if local(item) == name), None)
    return element


def children(element: Element | None, name: str) -> list[Element]:
    """Return the direct children of that name."""
    return [] if element is None else [item for item in element if local(item) == name]


def descendants(element: Element, name: str) -> list[Element]:
    """Return every element of that name below."""
    return [item for item in element.iter() if local(item) == name]


def text(element: Element | None, *names: str) -> str:
    """Return the text at a path, stripped; empty when there is none."""
    found = child(element, *names)
    return (found.text or "").strip() if found is not None else ""


def _word(qualified: str) -> str:
    return qualified.rpartition(":")[2][:80]
