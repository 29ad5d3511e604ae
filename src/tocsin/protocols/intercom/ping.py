"""OPTIONS to an intercom and how its answer is known at once: thousands are asked each minute.

Whatever the status is, an answer is a sign of life. The branch carries a word nobody outside knows and the number of
the device, so that nothing needs to be kept of a question.

Source: RFC 3261, "Querying for Capabilities"; alarm reference, SIP door intercoms (supervision).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BRANCH: Final = re.compile(rb"z9hG4bKtp([0-9A-Za-z_-]{8})\.(\d{1,9})\.")


@dataclass(frozen=True, slots=True)
class Pinger:
    """Who asks: `word` is eight letters, digits, - or _ of this run's randomness."""

    word: str
    own_id: str
    realm: str

    def question(self, number: int, user: str, target: tuple[str, int], own: tuple[str, int], cseq: int) -> bytes:
        """Return the OPTIONS of one device over UDP or TCP; `target` and `own` are host and port."""
        return (
            f"OPTIONS sip:{user}@{target[0]}:{target[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {own[0]}:{own[1]};rport;branch=z9hG4bKtp{self.word}.{number}.{cseq}\r\n"
            f"From: <sip:{self.own_id}@{self.realm}>;tag={self.word}\r\n"
            f"To: <sip:{user}@{self.realm}>\r\n"
            f"Call-ID: {self.word}.{number}\r\n"
            f"CSeq: {cseq} OPTIONS\r\n"
            "Max-Forwards: 70\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    def answered(self, data: bytes) -> int | None:
        """Return the number of the device whose answer this is; None for anything else."""
        if not data.startswith(b"SIP/2.0 "):
            return None
        return self.number_in(data[:1024])

    def number_in(self, text: bytes) -> int | None:
        """Return the number of the device that a branch of ours names."""
        match = _BRANCH.search(text)
        return int(match[2]) if match is not None and match[1].decode() == self.word else None
