"""Every protocol of hardware receivers by its word: how its lines are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tocsin.protocols.receiver_lines.ademco685 import ademco685_line
from tocsin.protocols.receiver_lines.dc07 import Dc07Line
from tocsin.protocols.receiver_lines.line import Line
from tocsin.protocols.receiver_lines.radionics6500 import radionics6500_line
from tocsin.protocols.receiver_lines.surgard import surgard_line

LINES: Final[Mapping[str, Callable[[float], Line]]] = {
    "surgard": surgard_line,
    "ademco685": ademco685_line,
    "radionics6500": radionics6500_line,
    "dc07": Dc07Line,
}
"""Word of a protocol -> a new line of it, given how far the panels' wall clock is ahead of UTC in seconds."""
