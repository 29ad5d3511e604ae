"""What holds for every test: nothing leaves this machine, nothing is skipped, examples are not timed."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "tocsin", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("tocsin")


class LeftTheMachine(OSError):
    """A test sent something to an address that is not loopback."""


def _goes_to_loopback(made: socket.socket) -> bool:
    """Say whether what a socket sends to a group stays on the loopback interface."""
    return made.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4) == socket.inet_aton("127.0.0.1")


def _refuse_other_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto"):
        return
    address = arguments[1]
    if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return
    try:
        host = ipaddress.ip_address(address[0].partition("%")[0])
    except ValueError:
        if address[0] in ("localhost", ""):
            return
    else:
        if host.is_loopback or host.is_unspecified:
            return
        if host.is_multicast and _goes_to_loopback(arguments[0]):
            return
    raise LeftTheMachine(f"a test reached for {address[0]}")


sys.addaudithook(_refuse_other_hosts)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a test was skipped: a skipped test proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was skipped."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("skipped tests fail the run")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2] if report.longrepr else ''}")


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A TCP port of loopback that somebody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]
