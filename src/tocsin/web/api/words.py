"""The keyed lists people choose from, in both languages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from tocsin.domain.access import PURPOSE_LIMIT_MIN, Actor, Purpose
from tocsin.domain.accounts import CALL_OUTCOMES, CONTACT_ROLES
from tocsin.domain.dispositions import DISPOSITIONS, FALSE_CAUSES, PARK_REASONS, PURPOSES, Choice
from tocsin.domain.units import UNIT_STATES
from tocsin.web.api import objects_house
from tocsin.web.api.shapes import reply
from tocsin.web.deps import allowed

router = APIRouter(prefix="/api/v1", tags=["words"])


@router.get("/words", response_model=objects_house.Vocabulary)
async def read_words(_actor: Annotated[Actor, allowed()]) -> Response:
    """Read causes, dispositions, park reasons, purposes with their most minutes, unit states, roles, call outcomes."""
    return reply(
        {
            "false_causes": _words(FALSE_CAUSES),
            "dispositions": _words(DISPOSITIONS),
            "park_reasons": _words(PARK_REASONS),
            "purposes": [{**word, "limit_min": PURPOSE_LIMIT_MIN[Purpose(word["key"])]} for word in _words(PURPOSES)],
            "unit_states": _words(UNIT_STATES),
            "contact_roles": _words(CONTACT_ROLES),
            "call_outcomes": _words(CALL_OUTCOMES),
        }
    )


def _words(choices: Iterable[Choice]) -> list[dict[str, Any]]:
    return [{"key": choice.key, "zh": choice.zh, "en": choice.en} for choice in choices]
