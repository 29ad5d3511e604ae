"""What was acknowledged against what is stored: nothing lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bench.harness import Server
from tests.crash.panels import StubbornPanel


def reconcile(server: Server, panels: Iterable[StubbornPanel]) -> tuple[list[str], list[str]]:
    """Return (acknowledged but not stored exactly once as a signal with one alarm, stored or raised more than once)."""
    stored: Counter[str] = Counter()
    signal_of: dict[str, str] = {}
    for signal in server.every("/signals"):
        for event in signal["events"]:
            stored[event["text"]] += 1
            signal_of[event["text"]] = signal["id"]
    raised = Counter(alarm["signal_id"] for alarm in server.every("/alarms"))
    lost, doubled = [], []
    for panel in panels:
        for text in panel.acknowledged:
            if stored[text] == 0 or raised[signal_of[text]] == 0:
                lost.append(text)
            elif stored[text] > 1 or raised[signal_of[text]] > 1:
                doubled.append(text)
        if panel.unsure and stored[panel.unsure] > 1:
            doubled.append(panel.unsure)
    return lost, doubled
