"""WS-Discovery: one probe, and who answers it. Pure.

Source: WS-Discovery 1.0 (April 2005) as ONVIF Core, device discovery, uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from tocsin.protocols.onvif.soap import descendants, read_xml, text

GROUP: Final = "239.255.255.250"
PORT: Final = 3702
MAX_ANSWER_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that answered: `url` of its device service, and what its scopes say of it."""

    url: str
    name: str = ""
    hardware: str = ""


def probe(message_id: str) -> bytes:
    """Return a probe for video transmitters; `message_id` is a UUID."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
        f"<a:MessageID>uuid:{message_id}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body><d:Probe>"
        "<d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
    ).encode()


def read_matches(data: bytes, peer_ip: str) -> list[Found]:
    """Return who answered, the address at the peer it came from preferred. Errors: soap.Unreadable."""
    found = []
    for match in descendants(read_xml(data[:MAX_ANSWER_BYTES]), "ProbeMatch")[:8]:
        addresses = [word for word in text(match, "XAddrs").split()[:8] if _is_http(word)]
        if not addresses:
            continue
        url = next((word for word in addresses if urlsplit(word).hostname == peer_ip), addresses[0])
        scopes = text(match, "Scopes").split()[:64]
        found.append(Found(url[:512], _scope(scopes, "name"), _scope(scopes, "hardware")))
    return found


def _is_http(word: str) -> bool:
    try:
        parts = urlsplit(word)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _scope(scopes: list[str], name: str) -> str:
    start = f"onvif://www.onvif.org/{name}/"
    return next((unquote(word[len(start) :])[:100] for word in scopes if word.startswith(start)), "")
