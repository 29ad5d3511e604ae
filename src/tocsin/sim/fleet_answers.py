"""What each device of a fleet answers when it is asked: 200 to everything, its catalogue of one picture, its maker."""

from __future__ import annotations

from typing import Final

from tocsin.protocols.gb28181.catalog import CatalogItem, item_fields
from tocsin.protocols.gb28181.manscdp import (
    CONTENT_TYPE,
    Document,
    Pair,
    catalog_response,
    parse_document,
    result_response,
)
from tocsin.protocols.sip.message import Headers, Request, parse_datagram, response_to

PICTURE_TYPE: Final = "131"
_METHODS: Final = (b"MESSAGE ", b"SUBSCRIBE ", b"INVITE ", b"OPTIONS ")


class FleetAnswers:
    """Answers requests for many devices of one address. `asked` counts by command."""

    def __init__(self, host: str, port: int, server: tuple[str, str], word: str) -> None:
        self._host, self._port = host, port
        self._server_id, self._realm = server
        self._word = word
        self._sent = 0
        self.asked: dict[str, int] = {}

    def receive(self, data: bytes) -> list[bytes]:
        """Return what to send because of a datagram; nothing when it is no request."""
        if not data.startswith(_METHODS):
            return []
        request = parse_datagram(data)
        if not isinstance(request, Request):
            return []
        status = 200 if request.method in ("MESSAGE", "OPTIONS") else 486 if request.method == "INVITE" else 489
        sent = [response_to(request, status).encode()]
        document = parse_document(request.body) if request.method == "MESSAGE" else None
        if isinstance(document, Document):
            self.asked[document.cmd_type] = self.asked.get(document.cmd_type, 0) + 1
            body = _answer(document)
            if body:
                sent.append(self._message(document.device_id, body))
        return sent

    def _message(self, gb_id: str, body: bytes) -> bytes:
        self._sent += 1
        number, own = self._sent, f"<sip:{gb_id}@{self._realm}>"
        fields = [
            ("Via", f"SIP/2.0/UDP {self._host}:{self._port};rport;branch=z9hG4bK{self._word}a{number}"),
            ("From", f"{own};tag=a{number}"),
            ("To", f"<sip:{self._server_id}@{self._realm}>"),
            ("Call-ID", f"a{number}@{self._word}"),
            ("CSeq", f"{number} MESSAGE"),
            ("Max-Forwards", "70"),
            ("Content-Type", CONTENT_TYPE),
        ]
        return Request("MESSAGE", f"sip:{self._server_id}@{self._realm}", Headers(fields), body).encode()


def picture_id(device_id: str) -> str:
    """Return the id of a device's only picture."""
    return device_id[:10] + PICTURE_TYPE + device_id[13:]


def _answer(document: Document) -> bytes:
    gb_id, sn, command = document.device_id, document.sn or 1, document.cmd_type.lower()
    if document.kind == "query" and command == "catalog":
        item = CatalogItem(
            gb_id=picture_id(gb_id), name=f"Camera {gb_id[-6:]}", parent_id=gb_id, civil_code=gb_id[:6], is_online=True
        )
        return catalog_response(sn, gb_id, 1, [item_fields(item)])
    if document.kind == "query" and command == "deviceinfo":
        fields: list[Pair] = [("Manufacturer", "Tocsin"), ("Model", "Sim"), ("Firmware", "1.0"), ("Channel", 1)]
        return result_response("DeviceInfo", sn, gb_id, fields)
    return b""
