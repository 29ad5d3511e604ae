"""Feed clients that note when each alarm was heard, in a process of their own.

Prints "ready"; when standard input closes, prints {"heard": {text: [seconds since 1970 of each feed]}, "order":
{incident id: [texts in the order of the feed]}, "seq": {text: its number in the feed}, "gaps", "frames"} as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.feeds import listen

RAISED = b'"alarm.raised"'


class Ears:
    """Takes the frames of every feed; the text is cut out of the bytes, only the first to come is read whole."""

    def __init__(self) -> None:
        self.heard: dict[str, list[float]] = {}
        self.order: dict[str, list[str]] = {}
        self.seq: dict[str, int] = {}

    def hear(self, frame: bytes, at_s: float) -> None:
        """Take one frame."""
        if RAISED not in frame[:160]:
            return
        at = frame.find(b'"text":"')
        if at < 0:
            return
        text = frame[at + 8 : frame.index(b'"', at + 8)].decode()
        times = self.heard.get(text)
        if times is not None:
            times.append(at_s)
            return
        self.heard[text] = [at_s]
        whole = json.loads(frame)
        data = whole["data"]
        self.seq[text] = whole["seq"]
        self.order.setdefault(data["incident_id"], []).append(text)


async def _main(port: int, token: str, count: int) -> None:
    ears = Ears()
    clients = await listen(port, token, count, ears.hear)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    told = {"gaps": sum(client.gaps for client in clients), "frames": sum(client.frames for client in clients)}
    print(json.dumps({"heard": ears.heard, "order": ears.order, "seq": ears.seq, **told}), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
