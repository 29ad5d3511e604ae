"""Fuzz target: SIP datagrams, streams, digests and the short way of keepalives."""

from tocsin.protocols.gb28181.keepalive import recognise, reply
from tocsin.protocols.gb28181.manscdp import keepalive_notify
from tocsin.protocols.sip.digest import parse_challenge, parse_credentials
from tocsin.protocols.sip.message import Ping, Request, Response, expires_of, parse_datagram, parse_uri, response_to
from tocsin.protocols.sip.stream import DatagramReader, StreamReader
from tocsin.protocols.sip.transaction import server_key

_HEAD = (
    b"Via: SIP/2.0/UDP 192.0.2.21:5060;rport;branch=z9hG4bK7f3a01\r\n"
    b"From: <sip:34020000001320000001@3402000000>;tag=a1\r\n"
    b"To: <sip:34020000002000000001@3402000000>\r\n"
    b"Call-ID: 58d1c0@192.0.2.21\r\n"
)
SEEDS: list[bytes] = [
    b"REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\n"
    + _HEAD
    + b"CSeq: 1 REGISTER\r\nContact: <sip:34020000001320000001@192.0.2.21:5060>;expires=60\r\n"
    b'Authorization: Digest username="a",realm="r",nonce="n",uri="sip:x",response="0",qop=auth,nc=1,cnonce="c"'
    b"\r\n\r\n",
    b"MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n"
    + _HEAD
    + b"CSeq: 20 MESSAGE\r\nContent-Type: Application/MANSCDP+xml\r\n\r\n"
    + keepalive_notify(17, "34020000001320000001"),
    b"SIP/2.0 401 Unauthorized\r\n"
    + _HEAD
    + b'CSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm="3402000000",nonce="6f1c",algorithm=MD5,qop="auth"\r\n\r\n',
    b"\r\n\r\nBYE sip:a@b SIP/2.0\nv: SIP/2.0/TCP h;branch=1\n"
    b"f: sip:a@b\nt: sip:c@d;tag=1\ni: x\nCSeq: 2 BYE\nl: 9\n\nbody",
]


def run_one(data: bytes) -> None:
    """Read the bytes as a datagram and as a stream; what was read must be writable and answerable."""
    message = parse_datagram(data)
    if isinstance(message, Request | Response):
        expires_of(message)
        parse_uri(message.headers.get("contact"))
        parse_credentials(message.headers.get("authorization"))
        parse_challenge(message.headers.get("www-authenticate"))
        again = parse_datagram(message.encode())
        assert type(again) is type(message)
        assert again.body == message.body
    if isinstance(message, Request):
        server_key(message, "192.0.2.1:5060")
        assert isinstance(
            parse_datagram(response_to(message, 200, to_tag="t", source=("192.0.2.1", 5060)).encode()), Response
        )
    keepalive = recognise(data)
    if keepalive is not None:
        assert reply(keepalive, b"200 OK", b"192.0.2.1", 5060).startswith(b"SIP/2.0 200 OK\r\nVia:")
    whole = list(StreamReader(2000).receive(data))
    reader = StreamReader(2000)
    pieces = [found for start in range(0, len(data), 7) for found in reader.receive(data[start : start + 7])]
    assert pieces == whole
    assert reader.pending_bytes <= 20_000
    datagrams = DatagramReader()
    for number, start in enumerate(range(0, len(data), 200)):
        found = datagrams.receive(data[start : start + 200], ("192.0.2.1", 5060), number / 10)
        assert found is None or isinstance(found, Ping) or found
    datagrams.expire(1e9)
