"""A public warning of ours as a CAP 1.2 message."""

from __future__ import annotations

from tocsin.domain.warnings import WarningOut
from tocsin.protocols.cap.alert import Alert, Area, Circle, Info, Reference, write


def encode_warning(out: WarningOut) -> bytes:
    """Return the message as XML."""
    circles: tuple[Circle, ...] = ()
    if out.radius_km and out.lat is not None and out.lon is not None:
        circles = (Circle(out.lat, out.lon, out.radius_km),)
    info = Info(
        (out.category,),
        out.event,
        out.urgency,
        out.severity,
        out.certainty,
        out.language,
        effective=out.sent,
        expires=out.expires,
        headline=out.headline,
        description=out.description,
        instruction=out.instruction,
        areas=(Area(out.area, circles=circles),),
    )
    return write(
        Alert(
            out.identifier,
            out.sender,
            out.sent,
            out.status,
            out.kind,
            note=out.headline if out.status != "Actual" else "",
            references=tuple(Reference(*word.split(",")) for word in out.references.split()),
            incidents=out.incident,
            infos=(info,),
        )
    )
