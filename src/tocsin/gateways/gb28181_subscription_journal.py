"""Granted subscriptions on disk, one JSON line each, so that a restart goes on in the same dialogs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

MAX_KEPT: Final = 400_000
SLACK_LINES: Final = 1_000
Dialog = tuple[str, str, str, int]


class SubscriptionJournal:
    """Dialogs by device and topic: Call-ID, both tags and the last CSeq, with the end in Unix seconds.

    Without a path it forgets. A line cut by a crash is passed over; a file that cannot be written costs the resumption
    and nothing else.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept: dict[str, list[object]] = {}
        self._lines = 0
        self._load()

    def granted(self, gb_id: str, topic: str, dialog: Dialog, ends_at: float) -> None:
        """Keep a granted or renewed subscription."""
        if len(self._kept) < MAX_KEPT:
            self._note(f"{gb_id}|{topic}", [*dialog, ends_at])

    def ended(self, gb_id: str, topic: str) -> None:
        """Forget a subscription that is over."""
        if f"{gb_id}|{topic}" in self._kept:
            self._note(f"{gb_id}|{topic}", None)

    def take(self, gb_id: str, topic: str, now: float) -> Dialog | None:
        """Return the dialog of a subscription that should still stand at `now` (Unix seconds), else None."""
        found = self._kept.get(f"{gb_id}|{topic}")
        if found is None:
            return None
        call_id, local_tag, remote_tag, cseq, ends_at = found
        if not isinstance(ends_at, int | float) or ends_at <= now or not isinstance(cseq, int):
            return None
        return str(call_id), str(local_tag), str(remote_tag), cseq

    def _note(self, key: str, entry: list[object] | None) -> None:
        if entry is None:
            self._kept.pop(key, None)
        else:
            self._kept[key] = entry
        if self._path is None:
            return
        try:
            if self._lines > SLACK_LINES + 4 * len(self._kept):
                text = "".join(json.dumps([one, kept]) + "\n" for one, kept in self._kept.items())
                self._path.write_text(text, encoding="utf-8")
                self._lines = len(self._kept)
                return
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, entry]) + "\n")
            self._lines += 1
        except OSError as error:
            log.warning("subscription not journalled", error=str(error))

    def _load(self) -> None:
        if self._path is None or not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            self._lines += 1
            try:
                key, entry = json.loads(line)
            except (ValueError, TypeError):
                continue  # a line cut by a crash
            if entry is None:
                self._kept.pop(str(key), None)
            elif isinstance(entry, list) and len(entry) == 5 and len(self._kept) < MAX_KEPT:
                self._kept[str(key)] = entry
