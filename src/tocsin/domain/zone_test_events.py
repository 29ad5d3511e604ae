"""Facts about an installer's test of zones: links made and withdrawn, tests begun and ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLinkMade(Fact):
    """Somebody made a link with which an installer tests one device."""

    __test__: ClassVar[bool] = False
    ACTION: ClassVar[str] = "test_link.made"
    SUBJECT: ClassVar[str] = "test_link"

    device_id: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLinkRevoked(Fact):
    """Somebody withdrew a link."""

    __test__: ClassVar[bool] = False
    ACTION: ClassVar[str] = "test_link.revoked"
    SUBJECT: ClassVar[str] = "test_link"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTestBegun(Fact):
    """The holder of a link began a test: the device is on test."""

    ACTION: ClassVar[str] = "zone_test.begun"
    SUBJECT: ClassVar[str] = "zone_test"

    device_id: str
    link_id: str
    until: datetime
    permit_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTestAsked(Fact):
    """The holder of a link said which zone he triggers next."""

    ACTION: ClassVar[str] = "zone_test.asked"
    SUBJECT: ClassVar[str] = "zone_test"

    device_id: str
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTestEnded(Fact):
    """A test ended, by hand, by time or because its link was withdrawn; what was seen is kept."""

    ACTION: ClassVar[str] = "zone_test.ended"
    SUBJECT: ClassVar[str] = "zone_test"

    device_id: str
    how: str
    seen: int
    zones: int
