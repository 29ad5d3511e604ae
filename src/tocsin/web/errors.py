"""Every failure as problem+json: the single map from our error codes to HTTP, in the caller's language.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.web.words import REFUSALS, WORDS

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[str, int] = {
    ErrorCode.INVALID: 422,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.BLOCKED: 409,
    ErrorCode.TOO_MANY: 429,
    ErrorCode.UNAVAILABLE: 503,
}

# What HTTP itself refuses, before a use case is asked.
_CODE_OF_STATUS: Mapping[int, str] = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "invalid",
    421: "wrong_host",
    422: "invalid",
    500: "internal",
    503: "unavailable",
}

_encode = msgspec.json.Encoder().encode


def language_of(request: Request) -> str:
    """Return `zh-CN` or `en`: `?lang=` first, then the order of Accept-Language."""
    asked = request.query_params.get("lang", "")
    if asked:
        return "zh-CN" if asked.lower().startswith("zh") else "en"
    best, best_weight = "en", 0.0
    for part in request.headers.get("accept-language", "").split(",")[:20]:
        tag, _, weight_text = part.strip().partition(";")
        language = {"zh": "zh-CN", "en": "en"}.get(tag.strip().lower()[:2])
        if language is None:
            continue
        try:
            weight = float(weight_text.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > best_weight:
            best, best_weight = language, weight
    return best


def problem(
    status: int,
    code: str,
    language: str,
    *,
    key: str = "",
    detail: str = "",
    params: Mapping[str, Any] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
    words: Words = WORDS,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem+json answer; `key` names the words of its detail, `detail` is the English fallback."""
    given = dict(params or {})
    body: dict[str, Any] = {
        "type": f"urn:tocsin:problem:{code}",
        "title": words.text(f"title.{code}", language),
        "status": status,
        "code": code,
        "detail": _detail(key, code, detail, given, language, words),
        "params": given,
    }
    if "rule" in given:
        body["rule"] = given["rule"]
    if errors is not None:
        body["errors"] = list(errors)
    return Response(_encode(_plain(body)), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def of_error(error: TocsinError, language: str, words: Words = WORDS) -> Response:
    """Return the answer to a `TocsinError`."""
    params = dict(error.params)
    errors = None
    field = params.get("field")
    key = error.key
    if error.code is ErrorCode.FORBIDDEN and "rule" in params and str(params["rule"]) in words:
        key = str(params["rule"])
    if error.code is ErrorCode.INVALID:
        message = _detail(key, error.code, error.detail, params, language, words)
        errors = [{"field": str(field), "message": message}] if field else []
    headers = {}
    if error.code in (ErrorCode.TOO_MANY, ErrorCode.UNAVAILABLE):
        headers["Retry-After"] = str(params.get("retry_after_s", 1))
    if error.code is ErrorCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        STATUS[error.code],
        error.code.value,
        language,
        key=key,
        detail=error.detail,
        params=params,
        errors=errors,
        words=words,
        headers=headers,
    )


def told(error: TocsinError, language: str, words: Words, **params: object) -> str:
    """Return the words of an error that is part of an answer; `params` stand before its own."""
    given = {**error.params, **params}
    return _detail(error.key, error.code, error.detail, given, language, REFUSALS.merged(words, WORDS))


def install(app: FastAPI, words: Words) -> None:
    """Answer every failure of `app` as problem+json; `words` are the message keys of the whole house."""
    known = REFUSALS.merged(words, WORDS)

    async def _of_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, TocsinError)
        return of_error(error, language_of(request), known)

    async def _of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        language = language_of(request)
        fields = [_field(item, language) for item in error.errors()[:50]]
        return problem(422, "invalid", language, key="invalid", errors=fields, words=known)

    async def _of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        status = error.status_code if error.status_code in _CODE_OF_STATUS else 400
        params: dict[str, Any] = {"allow": headers["Allow"]} if "Allow" in headers else {}
        if status == 413:
            params["limit_bytes"] = error.detail
        return problem(
            status, _CODE_OF_STATUS[status], language_of(request), params=params, words=known, headers=headers
        )

    app.add_exception_handler(TocsinError, _of_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def _detail(key: str, code: str, detail: str, params: Mapping[str, Any], language: str, words: Words) -> str:
    """Words of the key; else the plain English sentence; else the general words of the code."""
    if key and key != code and key in words:
        return words.text(key, language, params)
    if detail and not language.startswith("zh"):
        return detail[:1].upper() + detail[1:]
    return words.text(code, language, params)


def _field(item: Mapping[str, Any], language: str) -> dict[str, str]:
    place = [str(part) for part in item["loc"]]
    if place and place[0] in ("body", "query", "path", "header", "cookie"):
        place = place[1:]
    key = f"field.{item['type']}"
    if key in WORDS:
        message = WORDS.text(key, language, item.get("ctx") or {})
    elif language.startswith("zh"):
        message = WORDS.text("field.other", language)
    else:
        message = str(item["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(place), "message": message}


def _plain(value: Any) -> Any:
    """Return what JSON can hold: parameters may be enums, tuples, times."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": f"{HTTPStatus(status).phrase}, as problem+json",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (400, 401, 403, 404, 405, 409, 413, 422, 429, 503)
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "params"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable word"},
        "detail": {"type": "string"},
        "params": {"type": "object"},
        "rule": {"type": "string", "description": "the rule that refused, with code forbidden"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
    "example": {
        "type": "urn:tocsin:problem:conflict",
        "title": "Changed or taken in the meantime",
        "status": 409,
        "code": "conflict",
        "detail": "It was changed in the meantime. Read again and repeat.",
        "params": {"current_version": 7},
    },
}
