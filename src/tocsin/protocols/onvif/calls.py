"""The calls of ONVIF a control room needs, and what is read from their answers. Pure.

Source: ONVIF Core (device, capabilities), Media 1 and 2, PTZ, Imaging, DeviceIO specifications.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape, quoteattr

from tocsin.protocols.onvif.recordings import REPLAY, SEARCH
from tocsin.protocols.onvif.soap import Element, child, children, descendants, text

MAX_PROFILES: Final = 128
MAX_TOKEN: Final = 64
DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA1: Final = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
PTZ: Final = "http://www.onvif.org/ver20/ptz/wsdl"
IMAGING: Final = "http://www.onvif.org/ver20/imaging/wsdl"
EVENTS: Final = "http://www.onvif.org/ver10/events/wsdl"
DEVICE_IO: Final = "http://www.onvif.org/ver10/deviceIO/wsdl"

GET_TIME: Final = "<tds:GetSystemDateAndTime/>"
GET_INFORMATION: Final = "<tds:GetDeviceInformation/>"
GET_SERVICES: Final = "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>"
GET_CAPABILITIES: Final = "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>"
REBOOT: Final = "<tds:SystemReboot/>"
GET_PROFILES1: Final = "<trt:GetProfiles/>"
GET_PROFILES2: Final = "<tr2:GetProfiles><tr2:Type>All</tr2:Type></tr2:GetProfiles>"
GET_INPUTS: Final = "<tmd:GetDigitalInputs/>"

_CAPABILITIES: Final = {
    "Media": MEDIA1,
    "PTZ": PTZ,
    "Imaging": IMAGING,
    "Events": EVENTS,
    "DeviceIO": DEVICE_IO,
    "Search": SEARCH,
    "Replay": REPLAY,
}


@dataclass(frozen=True, slots=True)
class Information:
    """Who made the camera, and what it is."""

    maker: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One way a camera sends a picture. `source` is the token of the sensor it comes from."""

    token: str
    name: str = ""
    source: str = ""
    encoding: str = ""
    width: int = 0
    height: int = 0
    has_ptz: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """A place a camera remembers."""

    token: str
    name: str = ""


def read_time(answer: Element) -> datetime | None:
    """Return the camera's clock; None when it names none that can be."""
    utc = next(iter(descendants(answer, "UTCDateTime")), None)
    try:
        numbers = [int(text(utc, "Date", name)) for name in ("Year", "Month", "Day")]
        numbers += [int(text(utc, "Time", name)) for name in ("Hour", "Minute", "Second")]
        return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (ValueError, TypeError, OverflowError):
        return None


def read_information(answer: Element) -> Information:
    """Return who made the camera."""
    names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
    return Information(*(text(answer, name)[:100] for name in names))


def read_services(answer: Element) -> dict[str, str]:
    """Return the addresses of services by namespace, from GetServices or GetCapabilities."""
    found: dict[str, str] = {}
    for service in descendants(answer, "Service")[:64]:
        name, address = text(service, "Namespace"), text(service, "XAddr")
        if name and address:
            found[name] = address[:512]
    for name, namespace in _CAPABILITIES.items():
        for capability in descendants(answer, name)[:2]:
            address = text(capability, "XAddr")
            if address and namespace not in found:
                found[namespace] = address[:512]
    return found


def read_profiles(answer: Element) -> list[Profile]:
    """Return the profiles with a picture, of Media 1 or Media 2, the largest picture of each source first."""
    found: list[Profile] = []
    for element in children(answer, "Profiles")[:MAX_PROFILES]:
        token = _token(element)
        within = child(element, "Configurations")
        holder = within if within is not None else element
        source = child(holder, "VideoSource" if within is not None else "VideoSourceConfiguration")
        encoder = child(holder, "VideoEncoder" if within is not None else "VideoEncoderConfiguration")
        head = child(holder, "PTZ" if within is not None else "PTZConfiguration")
        if not token or source is None:
            continue
        found.append(
            Profile(
                token,
                text(element, "Name")[:100],
                text(source, "SourceToken")[:MAX_TOKEN] or token,
                text(encoder, "Encoding").upper()[:16],
                _whole(text(encoder, "Resolution", "Width")),
                _whole(text(encoder, "Resolution", "Height")),
                head is not None,
            )
        )
    return sorted(found, key=lambda profile: -profile.width * profile.height)


def streams_of(profiles: list[Profile], source: str) -> tuple[Profile | None, Profile | None]:
    """Return the main and the sub profile of a source: the largest picture we can show, and the smallest other."""
    shown = [p for p in profiles if p.source == source and p.encoding in ("H264", "H265", "HEVC", "")]
    main = shown[0] if shown else None
    sub = shown[-1] if len(shown) > 1 and shown[-1].width < shown[0].width else None
    return main, sub


def get_stream_uri(token: str, *, is_media2: bool) -> str:
    """Return the question for the address of a profile's stream."""
    if is_media2:
        return (
            f"<tr2:GetStreamUri><tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>{escape(token)}"
            "</tr2:ProfileToken></tr2:GetStreamUri>"
        )
    return (
        "<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP"
        f"</tt:Protocol></tt:Transport></trt:StreamSetup><trt:ProfileToken>{escape(token)}</trt:ProfileToken>"
        "</trt:GetStreamUri>"
    )


def get_snapshot_uri(token: str, *, is_media2: bool) -> str:
    """Return the question for the address of a profile's snapshot."""
    name = "tr2" if is_media2 else "trt"
    return f"<{name}:GetSnapshotUri><{name}:ProfileToken>{escape(token)}</{name}:ProfileToken></{name}:GetSnapshotUri>"


def read_uri(answer: Element) -> str:
    """Return the address of an answer about a stream or a snapshot."""
    found = next(iter(descendants(answer, "Uri")), None)
    return (found.text or "").strip()[:1024] if found is not None else ""


def at_host(address: str, device_url: str, *, scheme: str = "") -> str:
    """Return a camera's address at the host people entered: cameras behind a router name their inner one.

    A port of its own is kept, unless the camera is reached through a port that is not the one it names for itself.
    `scheme` is the one wanted; the same over TLS is taken as well.
    """
    ours = urlsplit(device_url)
    try:
        theirs = urlsplit(address if "://" in address else f"{ours.scheme}://{ours.netloc}/{address.lstrip('/')}")
        port = theirs.port
    except ValueError:
        return ""
    if scheme and theirs.scheme.lower() not in (scheme, f"{scheme}s"):
        return ""
    host = ours.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if theirs.scheme.lower() in ("http", "https"):
        netloc = ours.netloc
        return urlunsplit((ours.scheme, netloc, theirs.path or "/", theirs.query, ""))
    netloc = f"{host}:{port}" if port else host
    return urlunsplit((theirs.scheme, netloc, theirs.path, theirs.query, ""))


def read_inputs(answer: Element) -> list[str]:
    """Return the tokens of the digital inputs."""
    return [token for item in children(answer, "DigitalInputs")[:256] if (token := _token(item))]


# --- moving ----------------------------------------------------------------------------------------------------------


def continuous_move(profile: str, pan: float, tilt: float, zoom: float, timeout_s: float) -> str:
    """Return a movement that the camera ends by itself after `timeout_s`."""
    return (
        f"<tptz:ContinuousMove><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken><tptz:Velocity>"
        f'<tt:PanTilt x="{pan:.3f}" y="{tilt:.3f}"/><tt:Zoom x="{zoom:.3f}"/></tptz:Velocity>'
        f"<tptz:Timeout>PT{max(1, round(timeout_s))}S</tptz:Timeout></tptz:ContinuousMove>"
    )


def stop(profile: str) -> str:
    """Return the end of every movement."""
    return (
        f"<tptz:Stop><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken><tptz:PanTilt>true</tptz:PanTilt>"
        "<tptz:Zoom>true</tptz:Zoom></tptz:Stop>"
    )


def absolute_move(profile: str, pan: float, tilt: float, zoom: float) -> str:
    """Return a movement to a position in the generic spaces: -1 to 1, zoom 0 to 1."""
    return (
        f"<tptz:AbsoluteMove><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken><tptz:Position>"
        f'<tt:PanTilt x="{pan:.4f}" y="{tilt:.4f}"/><tt:Zoom x="{zoom:.4f}"/></tptz:Position></tptz:AbsoluteMove>'
    )


def get_presets(profile: str) -> str:
    """Return the question for what a camera remembers."""
    return f"<tptz:GetPresets><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken></tptz:GetPresets>"


def set_preset(profile: str, name: str, token: str = "") -> str:
    """Return how a camera remembers where it looks, under a new name or in place of an old one."""
    chosen = f"<tptz:PresetToken>{escape(token)}</tptz:PresetToken>" if token else ""
    return (
        f"<tptz:SetPreset><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken>"
        f"<tptz:PresetName>{escape(name)}</tptz:PresetName>{chosen}</tptz:SetPreset>"
    )


def goto_preset(profile: str, token: str) -> str:
    """Return how a camera goes to what it remembers."""
    return _preset("GotoPreset", profile, token)


def remove_preset(profile: str, token: str) -> str:
    """Return how a camera forgets it."""
    return _preset("RemovePreset", profile, token)


def read_presets(answer: Element) -> list[Preset]:
    """Return what a camera remembers."""
    return [
        Preset(token, text(item, "Name")[:100]) for item in children(answer, "Preset")[:512] if (token := _token(item))
    ]


def auxiliary(profile: str, command: str) -> str:
    """Return an auxiliary command, such as `tt:Wiper|On`."""
    return (
        f"<tptz:SendAuxiliaryCommand><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken>"
        f"<tptz:AuxiliaryData>{escape(command)}</tptz:AuxiliaryData></tptz:SendAuxiliaryCommand>"
    )


def focus_move(source: str, speed: float) -> str:
    """Return a continuous focus movement, far positive; 0 is the stop."""
    token = f"<timg:VideoSourceToken>{escape(source)}</timg:VideoSourceToken>"
    if not speed:
        return f"<timg:Stop>{token}</timg:Stop>"
    return (
        f"<timg:Move>{token}<timg:Focus><tt:Continuous><tt:Speed>{speed:.3f}</tt:Speed></tt:Continuous>"
        "</timg:Focus></timg:Move>"
    )


def key_frame(profile: str, *, is_media2: bool) -> str:
    """Return how a whole picture is asked for."""
    name = "tr2" if is_media2 else "trt"
    return (
        f"<{name}:SetSynchronizationPoint><{name}:ProfileToken>{escape(profile)}</{name}:ProfileToken>"
        f"</{name}:SetSynchronizationPoint>"
    )


def attribute(name: str, value: str) -> str:
    """Return an attribute of a body, quoted."""
    return f" {name}={quoteattr(value)}"


def _preset(name: str, profile: str, token: str) -> str:
    return (
        f"<tptz:{name}><tptz:ProfileToken>{escape(profile)}</tptz:ProfileToken>"
        f"<tptz:PresetToken>{escape(token)}</tptz:PresetToken></tptz:{name}>"
    )


def _token(element: Element) -> str:
    return (element.get("token") or "").strip()[:MAX_TOKEN]


def _whole(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 6 else 0
