"""Bodies of JT/T 808 messages, read and written for both sides: `decode_body` and `encode_body`.

Widths differ between editions. A frame says whether it is of 2019; 2011 and 2013 are told apart where they differ, in
the registration, by what its octets can be. Source: JT/T 808-2011, -2013, -2019, message bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from tocsin.protocols.jt808.location import FIXED_BYTES, Location, decode_location, encode_location
from tocsin.protocols.jt808.wire import BadBody, Malformed, Octets, read_text, write_text

MAX_BATCH: Final = 1000
MAX_PARAMETERS: Final = 255


class MessageId(IntEnum):
    """Messages this codec knows."""

    TERMINAL_ACK = 0x0001
    HEARTBEAT = 0x0002
    UNREGISTER = 0x0003
    TERMINAL_RESEND = 0x0005
    REGISTER = 0x0100
    AUTHENTICATE = 0x0102
    PARAMETERS = 0x0104
    LOCATION = 0x0200
    LOCATION_REPLY = 0x0201
    BATCH = 0x0704
    MULTIMEDIA = 0x0801
    PLATFORM_ACK = 0x8001
    PLATFORM_RESEND = 0x8003
    REGISTER_REPLY = 0x8100
    SET_PARAMETERS = 0x8103
    QUERY_PARAMETERS = 0x8104
    TERMINAL_CONTROL = 0x8105
    QUERY_LOCATION = 0x8201
    TEMPORARY_REPORTS = 0x8202
    CONFIRM_ALARM = 0x8203
    TEXT = 0x8300
    MULTIMEDIA_ACK = 0x8800
    SNAPSHOT = 0x8801


class Result(IntEnum):
    """Results of the general acknowledgements; the last is the platform's alone."""

    OK = 0
    FAILED = 1
    BAD_MESSAGE = 2
    UNSUPPORTED = 3
    ALARM_CONFIRMED = 4


class RegisterResult(IntEnum):
    """Results of a registration."""

    OK = 0
    VEHICLE_REGISTERED = 1
    VEHICLE_UNKNOWN = 2
    TERMINAL_REGISTERED = 3
    TERMINAL_UNKNOWN = 4


class Edition(StrEnum):
    """Editions of the standard."""

    Y2011 = "2011"
    Y2013 = "2013"
    Y2019 = "2019"


class Parameter(IntEnum):
    """Parameters Tocsin names; others are read and written by number."""

    HEARTBEAT_S = 0x0001
    REPORT_STRATEGY = 0x0020
    SLEEP_INTERVAL_S = 0x0027
    EMERGENCY_INTERVAL_S = 0x0028
    DEFAULT_INTERVAL_S = 0x0029


_WIDTHS: Final[Mapping[Edition, tuple[int, int, int]]] = {
    Edition.Y2011: (5, 8, 7),
    Edition.Y2013: (5, 20, 7),
    Edition.Y2019: (11, 30, 30),
}
_COLOURS: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 91, 92, 93, 94})
RESTART: Final = 4


@dataclass(frozen=True, slots=True)
class Ack:
    """A general acknowledgement, of either side."""

    serial: int
    message_id: int
    result: int = Result.OK


@dataclass(frozen=True, slots=True)
class Registration:
    """A terminal asks to be registered. `vehicle_mark` is what the vehicle is known by; Tocsin does not keep it."""

    province: int = 0
    city: int = 0
    maker: str = ""
    model: str = ""
    terminal_id: str = ""
    mark_colour: int = 0
    vehicle_mark: str = ""
    edition: Edition = Edition.Y2013


@dataclass(frozen=True, slots=True)
class RegistrationReply:
    """The answer to a registration; the code only with result 0."""

    serial: int
    result: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """A terminal shows its code; device and software only since 2019."""

    code: str
    imei: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Locations sent together; `is_refill` when they were kept while there was no network."""

    locations: tuple[Location | BadBody, ...]
    is_refill: bool = False
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class LocationReply:
    """The answer to a question for the location."""

    serial: int
    location: Location


@dataclass(frozen=True, slots=True)
class TemporaryReports:
    """Ask for reports every `interval_s` for `validity_s`."""

    interval_s: int
    validity_s: int


@dataclass(frozen=True, slots=True)
class ConfirmAlarm:
    """An operator has seen alarms: the serial of the report, 0 for all of these bits."""

    serial: int
    bits: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters as read from a terminal, or to be set. `serial` is of the question, when they are an answer."""

    values: tuple[tuple[int, bytes], ...] = ()
    serial: int = 0

    def number(self, parameter: int) -> int | None:
        """Return a parameter as the number it is; None when it is not there."""
        for known, value in self.values:
            if known == parameter:
                return int.from_bytes(value, "big")
        return None


@dataclass(frozen=True, slots=True)
class Text:
    """Words for the terminal: bit 0 of `flags` urgent, 2 shown, 3 spoken; `kind` only since 2019 (1 notice)."""

    text: str
    flags: int = 0b1101
    kind: int = 1


@dataclass(frozen=True, slots=True)
class TerminalControl:
    """A command to the terminal itself, such as 4: restart."""

    command: int
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Resend:
    """Ask for parts again: serial of the first part, indexes from 1."""

    first_serial: int
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Multimedia:
    """A picture or sound a terminal uploads; Tocsin answers it and keeps nothing of it."""

    multimedia_id: int
    kind: int = 0
    form: int = 0
    event: int = 0
    channel: int = 0
    location: Location | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class MultimediaAck:
    """The answer to an upload; indexes of parts to send again."""

    multimedia_id: int
    indexes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Ask for a still: `command` 0 stop, 0xFFFF film, else how many; `is_kept` lets the terminal keep it."""

    channel: int
    command: int = 1
    interval_s: int = 0
    is_kept: bool = False
    resolution: int = 1
    quality: int = 5
    brightness: int = 128
    contrast: int = 64
    saturation: int = 64
    chroma: int = 128


@dataclass(frozen=True, slots=True)
class Empty:
    """A message without a body."""


Body = (
    Ack
    | Registration
    | RegistrationReply
    | Authentication
    | Location
    | Batch
    | LocationReply
    | TemporaryReports
    | ConfirmAlarm
    | Parameters
    | Text
    | TerminalControl
    | Resend
    | Multimedia
    | MultimediaAck
    | Snapshot
    | Empty
)


def decode_body(message_id: int, body: bytes, version: int = 0) -> Body | BadBody:
    """Read the body of a message; `version` is the frame's. BadBody `unknown` for an id this codec does not know."""
    if message_id == MessageId.LOCATION:
        return decode_location(body)
    reader = _READERS.get(message_id)
    if reader is None:
        return BadBody("unknown")
    try:
        return reader(Octets(body), version)
    except Malformed as error:
        return error.bad


def encode_body(message_id: int, message: Body, version: int = 0) -> bytes:
    """Write a body for a frame of that version. Errors: ValueError when a field does not fit."""
    try:
        return _WRITERS[type(message)](message, message_id, version)
    except OverflowError as error:
        raise ValueError(f"a number does not fit its field: {error}") from error


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_empty(octets: Octets, version: int) -> Body:
    return Empty()


def _read_ack(octets: Octets, version: int) -> Body:
    return Ack(octets.number(2), octets.number(2), octets.number(1))


def _read_registration(octets: Octets, version: int) -> Body:
    body = octets.rest()
    edition = Edition.Y2019 if version else _edition_of(body)
    octets = Octets(body)
    maker, model, terminal = _WIDTHS[edition]
    return Registration(
        octets.number(2),
        octets.number(2),
        read_text(octets.take(maker)),
        read_text(octets.take(model)),
        read_text(octets.take(terminal)),
        octets.number(1),
        read_text(octets.rest()),
        edition,
    )


def _edition_of(body: bytes) -> Edition:
    """Tell 2011 from 2013: too short for 2013, or its colour octet impossible there and possible in 2011."""
    if len(body) < 37:
        return Edition.Y2011
    is_2013 = body[36] in _COLOURS and all(octet == 0 or octet >= 0x20 for octet in body[9:36])
    is_2011 = body[24] in _COLOURS and all(octet >= 0x20 for octet in body[25:])
    return Edition.Y2011 if is_2011 and not is_2013 else Edition.Y2013


def _read_registration_reply(octets: Octets, version: int) -> Body:
    serial, result = octets.number(2), octets.number(1)
    return RegistrationReply(serial, result, read_text(octets.rest()) if result == RegisterResult.OK else "")


def _read_authentication(octets: Octets, version: int) -> Body:
    if not version:
        return Authentication(read_text(octets.rest()))
    code = read_text(octets.take(octets.number(1)))
    imei = read_text(octets.take(min(15, octets.left)))
    return Authentication(code, imei, read_text(octets.rest()))


def _read_batch(octets: Octets, version: int) -> Body:
    count, kind = octets.number(2), octets.number(1)
    locations: list[Location | BadBody] = []
    is_whole = True
    while octets.left and len(locations) < min(count, MAX_BATCH):
        if octets.left < 2:
            is_whole = False
            break
        size = octets.number(2)
        if size > octets.left:
            is_whole = False
            break
        locations.append(decode_location(octets.take(size)))
    return Batch(tuple(locations), kind == 1, is_whole and len(locations) == count and not octets.left)


def _read_location_reply(octets: Octets, version: int) -> Body:
    serial, at = octets.number(2), octets.at
    location = decode_location(octets.rest())
    if isinstance(location, BadBody):
        raise Malformed(location.reason, at + location.at)
    return LocationReply(serial, location)


def _read_temporary(octets: Octets, version: int) -> Body:
    return TemporaryReports(octets.number(2), octets.number(4))


def _read_confirm(octets: Octets, version: int) -> Body:
    return ConfirmAlarm(octets.number(2), octets.number(4))


def _read_parameters(octets: Octets, version: int) -> Body:
    return Parameters(_parameter_items(octets))


def _read_parameters_reply(octets: Octets, version: int) -> Body:
    serial = octets.number(2)
    return Parameters(_parameter_items(octets), serial)


def _parameter_items(octets: Octets) -> tuple[tuple[int, bytes], ...]:
    return tuple((octets.number(4), octets.take(octets.number(1))) for _ in range(octets.number(1)))


def _read_words(octets: Octets, version: int) -> Body:
    flags = octets.number(1)
    kind = octets.number(1) if version else 1
    return Text(read_text(octets.rest()), flags, kind)


def _read_control(octets: Octets, version: int) -> Body:
    return TerminalControl(octets.number(1), read_text(octets.rest()))


def _read_resend(octets: Octets, version: int) -> Body:
    """The count has one octet before 2019 and two since; the length of the body tells which was sent."""
    is_wide = octets.left % 2 == 0
    serial, count = octets.number(2), octets.number(2 if is_wide else 1)
    return Resend(serial, tuple(octets.number(2) for _ in range(count)))


def _read_multimedia(octets: Octets, version: int) -> Body:
    multimedia_id = octets.number(4)
    head = (octets.number(1), octets.number(1), octets.number(1), octets.number(1))
    location = None
    if octets.left >= FIXED_BYTES:  # 2011 sends none; its pictures are then read as beginning with one, and not kept
        found = decode_location(octets.take(FIXED_BYTES))
        location = found if isinstance(found, Location) else None
    return Multimedia(multimedia_id, *head, location, octets.rest())


def _read_multimedia_ack(octets: Octets, version: int) -> Body:
    multimedia_id = octets.number(4)
    count = octets.number(1) if octets.left else 0
    return MultimediaAck(multimedia_id, tuple(octets.number(2) for _ in range(count)))


def _read_snapshot(octets: Octets, version: int) -> Body:
    return Snapshot(
        octets.number(1),
        octets.number(2),
        octets.number(2),
        bool(octets.number(1)),
        *(octets.number(1) for _ in range(6)),
    )


_READERS: Final[Mapping[int, Callable[[Octets, int], Body]]] = {
    MessageId.TERMINAL_ACK: _read_ack,
    MessageId.PLATFORM_ACK: _read_ack,
    MessageId.HEARTBEAT: _read_empty,
    MessageId.UNREGISTER: _read_empty,
    MessageId.QUERY_PARAMETERS: _read_empty,
    MessageId.QUERY_LOCATION: _read_empty,
    MessageId.REGISTER: _read_registration,
    MessageId.REGISTER_REPLY: _read_registration_reply,
    MessageId.AUTHENTICATE: _read_authentication,
    MessageId.BATCH: _read_batch,
    MessageId.LOCATION_REPLY: _read_location_reply,
    MessageId.TEMPORARY_REPORTS: _read_temporary,
    MessageId.CONFIRM_ALARM: _read_confirm,
    MessageId.SET_PARAMETERS: _read_parameters,
    MessageId.PARAMETERS: _read_parameters_reply,
    MessageId.TEXT: _read_words,
    MessageId.TERMINAL_CONTROL: _read_control,
    MessageId.PLATFORM_RESEND: _read_resend,
    MessageId.TERMINAL_RESEND: _read_resend,
    MessageId.MULTIMEDIA: _read_multimedia,
    MessageId.MULTIMEDIA_ACK: _read_multimedia_ack,
    MessageId.SNAPSHOT: _read_snapshot,
}


# --- writing ----------------------------------------------------------------------------------------------------------


def _u(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def _write_empty(message: Empty, message_id: int, version: int) -> bytes:
    return b""


def _write_ack(message: Ack, message_id: int, version: int) -> bytes:
    return _u(message.serial, 2) + _u(message.message_id, 2) + _u(message.result, 1)


def _write_registration(message: Registration, message_id: int, version: int) -> bytes:
    maker, model, terminal = _WIDTHS[message.edition]
    if bool(version) is not (message.edition is Edition.Y2019):
        raise ValueError("a registration of 2019 goes in a frame of 2019, and only there")
    return (
        _u(message.province, 2)
        + _u(message.city, 2)
        + write_text(message.maker, maker)
        + write_text(message.model, model)
        + write_text(message.terminal_id, terminal)
        + _u(message.mark_colour, 1)
        + write_text(message.vehicle_mark)
    )


def _write_registration_reply(message: RegistrationReply, message_id: int, version: int) -> bytes:
    code = write_text(message.code) if message.result == RegisterResult.OK else b""
    return _u(message.serial, 2) + _u(message.result, 1) + code


def _write_authentication(message: Authentication, message_id: int, version: int) -> bytes:
    code = write_text(message.code)
    if not version:
        return code
    return _u(len(code), 1) + code + write_text(message.imei, 15) + write_text(message.software, 20)


def _write_batch(message: Batch, message_id: int, version: int) -> bytes:
    bodies = [encode_location(one) for one in message.locations if isinstance(one, Location)]
    head = _u(len(bodies), 2) + _u(1 if message.is_refill else 0, 1)
    return head + b"".join(_u(len(body), 2) + body for body in bodies)


def _write_location(message: Location, message_id: int, version: int) -> bytes:
    return encode_location(message)


def _write_location_reply(message: LocationReply, message_id: int, version: int) -> bytes:
    return _u(message.serial, 2) + encode_location(message.location)


def _write_temporary(message: TemporaryReports, message_id: int, version: int) -> bytes:
    return _u(message.interval_s, 2) + _u(message.validity_s, 4)


def _write_confirm(message: ConfirmAlarm, message_id: int, version: int) -> bytes:
    return _u(message.serial, 2) + _u(message.bits, 4)


def _write_parameters(message: Parameters, message_id: int, version: int) -> bytes:
    serial = _u(message.serial, 2) if message_id == MessageId.PARAMETERS else b""
    items = b"".join(_u(known, 4) + _u(len(value), 1) + value for known, value in message.values)
    return serial + _u(len(message.values), 1) + items


def _write_words(message: Text, message_id: int, version: int) -> bytes:
    return _u(message.flags, 1) + (_u(message.kind, 1) if version else b"") + write_text(message.text)


def _write_control(message: TerminalControl, message_id: int, version: int) -> bytes:
    return _u(message.command, 1) + write_text(message.arguments)


def _write_resend(message: Resend, message_id: int, version: int) -> bytes:
    count = _u(len(message.indexes), 2 if version else 1)
    return _u(message.first_serial, 2) + count + b"".join(_u(index, 2) for index in message.indexes)


def _write_multimedia(message: Multimedia, message_id: int, version: int) -> bytes:
    head = _u(message.multimedia_id, 4)
    head += bytes((message.kind, message.form, message.event, message.channel))
    place = encode_location(message.location)[:FIXED_BYTES] if message.location is not None else b""
    return head + place + message.data


def _write_multimedia_ack(message: MultimediaAck, message_id: int, version: int) -> bytes:
    head = _u(message.multimedia_id, 4)
    if not message.indexes:
        return head
    return head + _u(len(message.indexes), 1) + b"".join(_u(index, 2) for index in message.indexes)


def _write_snapshot(message: Snapshot, message_id: int, version: int) -> bytes:
    return (
        _u(message.channel, 1)
        + _u(message.command, 2)
        + _u(message.interval_s, 2)
        + bytes((message.is_kept, message.resolution, message.quality, message.brightness))
        + bytes((message.contrast, message.saturation, message.chroma))
    )


_WRITERS: Final[Mapping[type, Callable[..., bytes]]] = {
    Empty: _write_empty,
    Ack: _write_ack,
    Registration: _write_registration,
    RegistrationReply: _write_registration_reply,
    Authentication: _write_authentication,
    Location: _write_location,
    Batch: _write_batch,
    LocationReply: _write_location_reply,
    TemporaryReports: _write_temporary,
    ConfirmAlarm: _write_confirm,
    Parameters: _write_parameters,
    Text: _write_words,
    TerminalControl: _write_control,
    Resend: _write_resend,
    Multimedia: _write_multimedia,
    MultimediaAck: _write_multimedia_ack,
    Snapshot: _write_snapshot,
}
