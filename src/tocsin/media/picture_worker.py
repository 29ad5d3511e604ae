"""The picture worker: a child process that decodes single key pictures. `python -m tocsin.media.picture_worker`.

It reads questions from its standard input and answers on its standard output, one at a time, at the lowest priority and
with a bound on its memory. It has no network and keeps no picture but what design note 0021 says. A hostile stream can
end it and nothing else: whoever asked starts another.

question {"id", "path", "codec", "reference", "slot", "may_learn", "motion", "relaxed", "still", "marks"}
answer   {"id", "ok": {...}} or {"id", "error", "detail"}
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from tocsin.media.picture_decoding import NotDecodable
from tocsin.media.picture_examination import Wish, examine
from tocsin.media.wire import MAX_MESSAGE_BYTES, Message, pack_message

MAX_PICTURE_BYTES: Final = 8 << 20
MAX_MEMORY_BYTES: Final = 1536 << 20
NICENESS: Final = 15


def answer(message: Message) -> Message:
    """Return the answer to one question."""
    try:
        path = Path(str(message["path"]))
        try:
            with path.open("rb") as file:
                data = file.read(MAX_PICTURE_BYTES + 1)
        finally:
            path.unlink(missing_ok=True)
        if len(data) > MAX_PICTURE_BYTES:
            return {"error": "picture.not_decodable", "detail": f"more than {MAX_PICTURE_BYTES} bytes"}
        motion = message.get("motion")
        wish = Wish(
            codec=str(message["codec"]),
            reference=Path(str(message["reference"])),
            slot=int(message["slot"]),
            may_learn=bool(message.get("may_learn", True)),
            motion=None if motion is None else float(motion),
            relaxed={str(key): float(value) for key, value in dict(message.get("relaxed") or {}).items()},
            still=Path(str(message["still"])) if message.get("still") else None,
            marks=tuple(str(mark) for mark in message.get("marks") or ()),
        )
        return {"ok": examine(data, wish).form()}
    except NotDecodable as error:
        return {"error": "picture.not_decodable", "detail": str(error)}
    except OSError as error:
        return {"error": "picture.not_kept", "detail": error.strerror or str(error)}
    except (KeyError, TypeError, ValueError) as error:
        return {"error": "picture.not_decodable", "detail": f"{type(error).__name__}: {error}"[:200]}


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer questions until there are none."""
    while len(head := questions.read(4)) == 4:
        (size,) = struct.unpack("!I", head)
        if size > MAX_MESSAGE_BYTES:
            return
        message = msgspec.msgpack.decode(questions.read(size))
        answers.write(pack_message({"id": message.get("id"), **answer(message)}))
        answers.flush()


def main() -> int:
    """Run the worker; it ends with its input."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
