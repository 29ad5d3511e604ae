"""Messages: where webhooks are sent, how their secret is made, and what a message would mean, tried without storing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import NormalEvent
from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import optional_iso
from tocsin.domain.message_sources import MESSAGE_PROTOCOLS, form_of, message_rule
from tocsin.web.api import objects_registry
from tocsin.web.api.shapes import In, Out, reply
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1", tags=["messages"])
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
MAX_MESSAGE_BYTES = 65_536


class MessageTaken(Out):
    """What became of a message: the signal it is kept as, and how many of its events were kept, dropped, not known."""

    signal_id: str
    duplicate: bool
    events: int
    dropped: int = Field(description="passages through doors and what the source's form ignores: kept nowhere")
    unknown: int


class SecretMade(Out):
    """A new secret, shown this once."""

    secret: str
    device: objects_registry.Device


class MessageTestIn(In):
    """A message as the source would send it, with the topic it would come on; `message` tries another form."""

    body: Annotated[str, Field(max_length=MAX_MESSAGE_BYTES)]
    topic: Annotated[str, Field(max_length=256)] = ""
    message: dict[str, Any] | None = None


class MeantEvent(Out):
    """What an event of a tried message would be."""

    code: str
    kind: str
    category: str
    priority: int
    label_en: str
    label_zh: str
    zone: str
    area: str
    text: str
    occurred_at: str | None
    known: bool


class MessageMeaning(Out):
    """What a tried message would be; nothing of it was stored."""

    events: list[MeantEvent]
    dropped: int


@router.post(
    "/ingest/{source}", response_model=MessageTaken, status_code=201, openapi_extra={"security": [{"signature": []}]}
)
async def take_message(
    source: Annotated[str, Path(max_length=64, description="name of a webhook of the registry")],
    house: House,
    request: Request,
) -> Response:
    """Hand in a message, signed with its source's secret: `X-Tocsin-Timestamp`, `X-Tocsin-Signature`, and at will an
    `Idempotency-Key`. Answered after the commit: 201, or 200 for a repetition and for what is kept nowhere.

    Errors: not_found, unauthenticated with the header, invalid with the field, too_many, unavailable: send again.
    """
    if house.take_webhook is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "no webhooks here", key="webhook.unknown_source")
    body = await _body(request)
    peer = f"{request.client.host}:{request.client.port}" if request.client is not None else ""
    taken = await house.take_webhook(source, request.headers, body, peer)
    form = {
        "signal_id": taken.signal_id,
        "duplicate": taken.is_duplicate,
        "events": taken.events,
        "dropped": taken.dropped,
        "unknown": taken.unknown,
    }
    return reply(form, 200 if taken.is_duplicate or not taken.signal_id else 201)


@router.post("/devices/{device_id}/secret/new", response_model=SecretMade, status_code=201)
async def make_secret(device_id: str, house: House, actor: Keeper) -> Response:
    """Make a webhook's secret and show it this once; the one before stays valid until the new one has been used.

    Errors: not_found, conflict when the device is no webhook.
    """
    device, secret = await house.devices.make_secret(device_id, actor=actor)
    return reply({"secret": secret, "device": device.form()}, 201)


@router.post("/devices/{device_id}/message-test", response_model=MessageMeaning)
async def try_message(device_id: str, house: House, actor: Keeper, body: MessageTestIn) -> Response:
    """Say what a message would be, in the source's form or the one given; nothing is stored.

    Errors: not_found, conflict when the device sends no messages, invalid with the field of the message.
    """
    device = await house.devices.device(device_id, actor=actor)
    if device.protocol not in MESSAGE_PROTOCOLS or house.read_message is None:
        raise TocsinError(ErrorCode.CONFLICT, "this device sends no messages", key="message.no_source")
    given = device.settings if body.message is None else {"message": message_rule("message", body.message)}
    events, dropped = house.read_message(body.body.encode(), form_of(given), body.topic, house.clock.now())
    return reply({"events": [_event(event) for event in events], "dropped": dropped})


async def _body(request: Request) -> bytes:
    parts = bytearray()
    try:
        async for part in request.stream():
            parts += part
            if len(parts) > MAX_MESSAGE_BYTES:
                raise HTTPException(413, str(MAX_MESSAGE_BYTES), headers={"Connection": "close"})
    except ClientDisconnect as error:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the message broke off") from error
    return bytes(parts)


def _event(event: NormalEvent) -> dict[str, Any]:
    return {
        "code": f"{event.code_system}:{event.code}",
        "kind": event.kind.value,
        "category": event.category.value,
        "priority": event.priority,
        "label_en": event.label_en,
        "label_zh": event.label_zh,
        "zone": event.zone,
        "area": event.area,
        "text": event.text,
        "occurred_at": optional_iso(event.occurred_at),
        "known": event.is_known,
    }
