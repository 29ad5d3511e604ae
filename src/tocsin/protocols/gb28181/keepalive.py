"""The short way for keepalives: recognise one datagram without building a message or an XML tree, and answer it.

Anything unusual (other spelling, faults listed, From and body disagree) is not recognised and takes the full way, so
nothing is lost by being strict here.

Source: GB/T 28181-2022, "Keepalive"; RFC 3581 for received and rport.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_KEEPALIVE_BYTES: Final = 1400
_CMD: Final = b"<CmdType>Keepalive</CmdType>"
_ID_OPEN: Final = b"<DeviceID>"
_ID_CLOSE: Final = b"</DeviceID>"


class Keepalive(NamedTuple):
    """A recognised keepalive: who, and the header lines a reply repeats."""

    gb_id: str
    via: bytes
    sender: bytes
    receiver: bytes
    call_id: bytes
    cseq: bytes


def recognise(data: bytes) -> Keepalive | None:
    """Return the keepalive in a datagram, or None when the full way must look at it."""
    if not data.startswith(b"MESSAGE sip:") or len(data) > MAX_KEEPALIVE_BYTES:
        return None
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or _CMD not in body or b"<Notify>" not in body or b"<!" in body:
        return None
    _, opened, rest = body.partition(_ID_OPEN)
    gb_id, closed, rest = rest.partition(_ID_CLOSE)
    if not opened or not closed or _ID_OPEN in rest or b"</Notify>" not in rest:
        return None  # none, or several: sub-devices with faults
    via = sender = receiver = call_id = cseq = b""
    for line in head.split(b"\r\n")[1:]:
        name = line[:4]
        if name == b"Via:":
            if via:
                return None
            via = line
        elif name == b"From":
            sender = line
        elif name == b"To: ":
            receiver = line
        elif name == b"Call":
            call_id = line
        elif name == b"CSeq":
            cseq = line
        elif name[:1] in b" \t":
            return None  # a folded line
    if not (via and receiver and call_id.startswith(b"Call-ID:") and cseq.endswith(b" MESSAGE")):
        return None
    if b"<sip:" + gb_id + b"@" not in sender or not gb_id.isalnum() or len(gb_id) > 64:
        return None
    if b"\n" in sender or b"\n" in via or b"\n" in receiver or b"," in via:
        return None
    return Keepalive(gb_id.decode("ascii"), via, sender, receiver, call_id, cseq)


def reply(keepalive: Keepalive, status: bytes, host: bytes, port: int) -> bytes:
    """Return the response; `status` is a code with its phrase, host and port the observed source."""
    _, via, sender, receiver, call_id, cseq = keepalive
    if b";rport;" in via:
        via = via.replace(b";rport;", b";rport=%d;received=%b;" % (port, host), 1)
    elif via.endswith(b";rport"):
        via = b"%b=%d;received=%b" % (via, port, host)
    else:
        via = b"%b;received=%b" % (via, host)
    if b";tag=" not in receiver:
        receiver += b";tag=ka"
    return b"SIP/2.0 %b\r\n%b\r\n%b\r\n%b\r\n%b\r\n%b\r\nContent-Length: 0\r\n\r\n" % (
        status,
        via,
        sender,
        receiver,
        call_id,
        cseq,
    )
