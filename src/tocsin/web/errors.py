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

WORDS = Words(
    {
        "title.invalid": ("The request is not valid", "请求内容无效"),
        "title.unauthenticated": ("Sign in first", "请先登录"),
        "title.forbidden": ("Not allowed", "无权执行此操作"),
        "title.not_found": ("Not found", "未找到"),
        "title.conflict": ("Changed or taken in the meantime", "数据已变化或已被占用"),
        "title.blocked": ("Something still keeps this from being closed", "尚有未完成事项，不能结案"),
        "title.too_many": ("Too many tries", "操作过于频繁"),
        "title.unavailable": ("Not possible at the moment", "暂时无法完成"),
        "title.method_not_allowed": ("This address does not take that method", "该地址不支持此方法"),
        "title.too_large": ("The request is too large", "请求内容过大"),
        "title.wrong_host": ("This server does not answer to that name", "服务器不接受该主机名"),
        "title.internal": ("An error on our side", "服务器内部错误"),
        "invalid": ("Check the values given and try again.", "请检查填写的内容后重试。"),
        "unauthenticated": ("Your session has ended or you have not signed in.", "会话已结束或尚未登录。"),
        "forbidden": ("Your role or your area does not allow this.", "您的角色或辖区不允许此操作。"),
        "not_found": ("It does not exist, or it is outside your area.", "不存在，或不在您的辖区内。"),
        "conflict": ("Somebody else was quicker. Read again and repeat.", "他人已先操作，请刷新后重试。"),
        "stale": ("It was changed in the meantime. Read again and repeat.", "内容已被修改，请刷新后重试。"),
        "blocked": ("Finish what is listed first.", "请先完成列出的事项。"),
        "too_many": ("Wait a moment before the next try.", "请稍候再试。"),
        "unavailable": ("Try again in a moment.", "请稍后重试。"),
        "internal": (
            "It was written to the log under the request id {request_id}.",
            "详情已记入日志，请求编号 {request_id}。",
        ),
        "too_large": ("At most {limit_bytes} bytes are taken.", "请求最多 {limit_bytes} 字节。"),
        "wrong_host": ("Use the address the server was set up for.", "请使用服务器配置的地址访问。"),
        "method_not_allowed": ("Use one of: {allow}", "可用方法：{allow}"),
        "csrf": (
            "The request does not carry this session's CSRF token (header X-CSRF-Token).",
            "请求缺少本会话的 CSRF 令牌（X-CSRF-Token）。",
        ),
        "cross_site": ("The request comes from another site.", "请求来自其他网站。"),
        "cursor": ("The cursor is not one of ours.", "分页游标无效。"),
        "store.failing": (
            "Nothing can be stored at the moment, so nothing is accepted. The system alarm says why.",
            "当前无法写入存储，操作未被接受。原因见系统告警。",
        ),
        "no_permission": ("None of your roles may do this.", "您的角色均无此权限。"),
        "out_of_scope": ("This is outside your area.", "不在您的辖区内。"),
        "account_disabled": ("This account is disabled.", "该账号已停用。"),
        "purpose_missing": ("State the purpose of looking.", "请说明查看用途。"),
        "purpose_not_permitted": ("Your role may not look for that purpose.", "您的角色不得以此用途查看。"),
        "minutes_over_limit": ("The view is longer than this purpose allows.", "查看时长超出该用途的上限。"),
        "channel_not_in_service": (
            "The camera is not in service: owner, place and purpose are not all set.",
            "该摄像机未投入使用：责任单位、位置或用途未填全。",
        ),
        "incident_missing": ("Name the incident this view serves.", "请指明所服务的警情。"),
        "incident_not_open": ("The incident is closed.", "该警情已结案。"),
        "channel_not_linked": ("The camera is not linked to this incident.", "该摄像机未与此警情关联。"),
        "claimed_by_other": ("Somebody else has this incident in hand.", "该警情已由他人受理。"),
        "off_duty": ("You are not on duty.", "您当前不在岗。"),
        "field.missing": ("is missing", "缺少此项"),
        "field.extra_forbidden": ("is not a known field", "未知字段"),
        "field.json_invalid": ("is not JSON", "不是有效的 JSON"),
        "field.enum": ("must be one of {expected}", "只能是 {expected}"),
        "field.literal_error": ("must be one of {expected}", "只能是 {expected}"),
        "field.string_too_short": ("must have at least {min_length} characters", "至少 {min_length} 个字符"),
        "field.string_too_long": ("may have at most {max_length} characters", "最多 {max_length} 个字符"),
        "field.string_type": ("must be text", "必须是文本"),
        "field.string_pattern_mismatch": ("has the wrong form", "格式不正确"),
        "field.int_parsing": ("must be a whole number", "必须是整数"),
        "field.int_type": ("must be a whole number", "必须是整数"),
        "field.int_from_float": ("must be a whole number", "必须是整数"),
        "field.float_parsing": ("must be a number", "必须是数字"),
        "field.float_type": ("must be a number", "必须是数字"),
        "field.finite_number": ("must be a number", "必须是数字"),
        "field.bool_parsing": ("must be yes or no", "必须是“是”或“否”"),
        "field.bool_type": ("must be yes or no", "必须是“是”或“否”"),
        "field.greater_than": ("must be greater than {gt}", "必须大于 {gt}"),
        "field.greater_than_equal": ("must be at least {ge}", "不得小于 {ge}"),
        "field.less_than": ("must be less than {lt}", "必须小于 {lt}"),
        "field.less_than_equal": ("must be at most {le}", "不得大于 {le}"),
        "field.too_short": ("needs at least {min_length} entries", "至少 {min_length} 项"),
        "field.too_long": ("may have at most {max_length} entries", "最多 {max_length} 项"),
        "field.list_type": ("must be a list", "必须是列表"),
        "field.dict_type": ("must be an object", "必须是对象"),
        "field.model_attributes_type": ("must be an object", "必须是对象"),
        "field.datetime_from_date_parsing": (
            "must be a time such as 2026-11-22T02:14:07Z",
            "必须是时间，如 2026-11-22T02:14:07Z",
        ),
        "field.datetime_parsing": (
            "must be a time such as 2026-11-22T02:14:07Z",
            "必须是时间，如 2026-11-22T02:14:07Z",
        ),
        "field.datetime_type": ("must be a time such as 2026-11-22T02:14:07Z", "必须是时间，如 2026-11-22T02:14:07Z"),
        "field.timezone_aware": ("must say its time zone, such as a closing Z", "必须注明时区，如以 Z 结尾"),
        "field.other": ("is not valid", "无效"),
    }
)

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


def install(app: FastAPI, words: Words) -> None:
    """Answer every failure of `app` as problem+json; `words` are the message keys of the whole house."""
    known = words.merged(WORDS)

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
