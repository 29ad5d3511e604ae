"""The objects of the interface as OpenAPI describes them: the house itself, its settings, words and map.

A test compares the domain's forms with them.
"""

from __future__ import annotations

from typing import Any, Literal

from tocsin.web.api.shapes import Out, Time


class Counted(Out):
    """How many of how many."""

    online: int
    total: int


class StoreState(Out):
    """Whether the store takes work: `ok` or `failing`."""

    state: Literal["ok", "failing"]
    reason: str


class MediaState(Out):
    """Picture workers started and alive."""

    workers: int
    alive: int


class HeadRef(Out):
    """The newest audit record."""

    seq: int
    at: Time


class Notice(Out):
    """What the control room must know about the system itself."""

    key: str
    words: str
    since: Time
    severity: str


class GatewayState(Out):
    """A gateway: whether it works, how often it was started again, and why it is down."""

    name: str
    is_up: bool
    restarts: int
    reason: str


class Status(Out):
    """The house at a glance."""

    server_time: Time
    version: str
    panels: Counted
    cameras: Counted
    store: StoreState
    media: MediaState
    alarms_last_10_min: int
    audit_head: HeadRef | None
    gateways: list[GatewayState]
    notices: list[Notice]


class Role(Out):
    """What a role may do, and for which purposes it may look."""

    role: str
    permissions: list[str]
    purposes: list[str]


class Setting(Out):
    """A setting in force; secrets are masked."""

    name: str
    value: str
    default: str
    source: str
    description: str
    unit: str


class Word(Out):
    """A keyed word in both languages."""

    key: str
    zh: str
    en: str


class PurposeWord(Word):
    """Why somebody looks, and for how many minutes at most."""

    limit_min: int


class Vocabulary(Out):
    """The keyed lists people choose from."""

    false_causes: list[Word]
    dispositions: list[Word]
    park_reasons: list[Word]
    purposes: list[PurposeWord]
    unit_states: list[Word]
    contact_roles: list[Word]
    call_outcomes: list[Word]


class FeatureCollection(Out):
    """The town as GeoJSON."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]
