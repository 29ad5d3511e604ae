"""Pictures a simulated camera takes on request and uploads, with the oddities of the field."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import httpx

from tocsin.protocols.gb28181.manscdp import Element, Pair, build_document
from tocsin.sim.camera_plan import Quirk

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera

PICTURE: Final = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6j"
    "q62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKT/wAARCAAkAEADASIAAhEBAxEB/8QAGQABAQEBAQEAAAAAAAAAAAAAAAMEAgEF/8QAJBABAAIABQIHAAAAAAAAAAAA"
    "AAECERITUVKRoQMEITJBYXH/xAAXAQEBAQEAAAAAAAAAAAAAAAACAAED/8QAGREBAQEBAQEAAAAAAAAAAAAAAAERAhIh/9oADAMB"
    "AAIRAxEAPwDGA6ACng0rbHNGOCmlTj3C9yXCnNs1nGjSpx7oWjC0xG7Z1Ky82PACY5z13M9d0hz9VuNnlpic2H0s+dW1q+20x+S6"
    "1L87dQv26cuTG9kvaM9vX5lPUvzt1czOM4y3n4urqmeu5nrukF6oYAC0ASAEgBJ//9k="
)
TOO_MUCH_BYTES: Final = 5 * 1024 * 1024
HOSTILE_NAME: Final = "../../../../etc/snapshot.jpg"


def picture(name: str, still: bytes = PICTURE) -> bytes:
    """Return a JPEG that carries its name as a comment, so that no two are alike."""
    text = name.encode()
    return still[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + still[2:]


async def take_and_upload(camera: SimCamera, channel_id: str, wanted: Element, uploads: list[int]) -> None:
    """Upload what was asked for, every second one as a form with a name full of dots, then say so.

    A camera with a clock to pace it keeps the interval between them.
    `uploads` gets the status of each answer; 0 where there was none.
    """
    quirks = camera.plan.quirks
    if Quirk.UPLOADS_NOTHING in quirks:
        return
    count, url, session = wanted.integer("SnapNum") or 1, wanted.get("UploadURL"), wanted.get("SessionID")
    if Quirk.UPLOADS_ELSEWHERE in quirks:
        url = url[:-4] + "AAAA"
    done: list[str] = []
    still, paces = camera.settings.still, camera.settings.paces
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for number in range(1, count if Quirk.UPLOADS_FEWER in quirks else count + 1):
            name = f"{channel_id}0220261121160000000{number:02d}"
            if number > 1 and paces is not None:
                await paces.sleep(wanted.integer("Interval") or 1)
            data = picture(name, await still(channel_id)) if still is not None else picture(name)
            if Quirk.UPLOADS_TOO_MUCH in quirks:
                data = data[:-2] + bytes(TOO_MUCH_BYTES) + data[-2:]
            try:
                if number % 2:
                    answer = await client.put(url, content=data, headers={"Content-Type": "image/jpeg"})
                else:
                    answer = await client.post(url, files={"file": (HOSTILE_NAME, data, "image/jpeg")})
            except httpx.HTTPError:
                uploads.append(0)
                continue
            uploads.append(answer.status_code)
            if answer.is_success:
                done.append(name)
    files: list[Pair] = [("SnapShotFileID", name) for name in done]
    fields: list[Pair] = [("SessionID", session), ("SnapShotList", files)]
    body = build_document("Notify", "UploadSnapShotFinished", 1, channel_id, fields, label=camera.label)
    await camera.wire.transact(camera.outgoing("MESSAGE", body))
