"""What sections of the settings are made of: fields with description, unit and limits, and checked texts."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _transport(text: str) -> str:
    if text not in ("udp", "tcp_passive", "tcp_active"):
        raise ValueError("must be udp, tcp_passive or tcp_active")
    return text


Port = Annotated[int, Field(ge=0, le=65535)]
Network = Annotated[str, AfterValidator(_network)]
Transport = Annotated[str, AfterValidator(_transport)]


def setting(default: Any, *, unit: str, description: str, **limits: Any) -> Any:
    """Return a field of a section; `limits` are those of pydantic."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Section(BaseModel):
    """One table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
