"""The outermost layer: request id, host check, body limit, security headers, and the last word on a crash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.domain.accounts import MAX_PLAN_BYTES
from tocsin.domain.import_service import MAX_UPLOAD_BYTES
from tocsin.web.errors import language_of, problem
from tocsin.web.metrics import RequestMetrics

log = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 1024 * 1024
UPLOAD_PATH = "/upload/"
UPLOAD_LIMIT_BYTES = 4 * 1024 * 1024 + 64 * 1024  # one picture, as a form
LARGER_BODIES: Mapping[str, int] = {"/api/v1/imports": MAX_UPLOAD_BYTES}  # read only after the permission was asked
FLOOR_PLANS = re.compile(r"/api/v1/accounts/[^/]{1,64}/plans")  # as above

_FIXED_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(self), geolocation=(), payment=(), usb=(), display-capture=(), "
    "autoplay=(self), fullscreen=(self)",
}

_NAMED_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"})


def host_names(allowed: Iterable[str], listening: str, public_url: str) -> frozenset[str]:
    """Return the host names a request may name: the configured, the listening address and that of `public_url`."""
    names = {name.lower() for name in allowed} | {_bracketed(listening.lower())}
    public = urlsplit(public_url).hostname if public_url else None
    if public:
        names.add(_bracketed(public.lower()))
    return frozenset(names)


def content_policy(host: str, media_ports: Sequence[int], *, is_secure: bool, elsewhere: str = "") -> str:
    """Return the content policy of the console: nothing from elsewhere, sockets to ourselves and the media ports.

    `elsewhere` is the address of a media server with a name of its own; sockets may go there too.

    `worker-src blob:` is for the map's workers, `style-src-attr` for positions set by components; scripts are files.
    """
    schemes = ("wss",) if is_secure else ("ws", "wss")
    sockets = [f"{scheme}://{host}:{port}" for port in media_ports for scheme in schemes] if host else []
    sockets += [elsewhere] if elsewhere else []
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "media-src 'self' blob:",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            " ".join(("connect-src 'self'", *sockets)),
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Border:
    """Wraps the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Clock,
        names: frozenset[str],
        media_ports: Callable[[], Sequence[int]],
        elsewhere: Callable[[], str] = lambda: "",
        requests: RequestMetrics,
        is_secure: bool = False,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
    ) -> None:
        self._app = app
        self._clock = clock
        self._names = names
        self._media_ports = media_ports
        self._elsewhere = elsewhere
        self._requests = requests
        self._is_secure = is_secure
        self._limit_bytes = body_limit_bytes
        self._headers = [(name.encode(), value.encode()) for name, value in _FIXED_HEADERS.items()]
        if is_secure:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_id()
        started_s = self._clock.monotonic()
        scope.setdefault("state", {})["request_id"] = request_id
        headers = Request(scope).headers
        host = _host_of(headers.get("host", ""))
        status = 0

        async def _send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": self._dress(message.get("headers", ()), host, request_id)}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                refused = self._refuse(scope, headers.get("content-length"), host)
                if refused is not None:
                    await refused(scope, receive, _send)
                else:
                    await self._app(scope, self._bounded(receive, self._limit_of(scope)), _send)
            except Exception:  # the last owner of a request: the caller gets an answer, the log gets the trace
                log.exception("request failed", method=scope["method"], path=scope["path"])
                if status == 0:
                    answer = problem(
                        500, "internal", language_of(Request(scope)), key="internal", params={"request_id": request_id}
                    )
                    await answer(scope, receive, _send)
            finally:
                duration_s = self._clock.monotonic() - started_s
                self._requests.note(scope["method"], _template(scope), status, duration_s)
                path = UPLOAD_PATH if scope["path"].startswith(UPLOAD_PATH) else scope["path"]  # its token is a secret
                log.debug("request", method=scope["method"], path=path, status=status, ms=round(duration_s * 1e3, 1))

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if _host_of(host) not in self._names:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send)

    def _refuse(self, scope: Scope, length: str | None, host: str) -> ASGIApp | None:
        language = language_of(Request(scope))
        if host not in self._names:
            return problem(421, "wrong_host", language, key="wrong_host")
        if scope["path"].startswith("/api") and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            return problem(422, "invalid", language, key="field.not_text")  # no database keeps a NUL in a text
        if length is not None and (not length.isdigit() or int(length[:20]) > self._limit_of(scope)):
            return problem(
                413,
                "too_large",
                language,
                key="too_large",
                params={"limit_bytes": self._limit_of(scope)},
                headers={"Connection": "close"},
            )
        return None

    def _limit_of(self, scope: Scope) -> int:
        """Return how many bytes a body may have."""
        if scope["path"].startswith(UPLOAD_PATH):
            return UPLOAD_LIMIT_BYTES
        larger = LARGER_BODIES.get(scope["path"], 0) if scope["method"] == "POST" else 0
        if scope["method"] == "POST" and FLOOR_PLANS.fullmatch(scope["path"]):
            larger = MAX_PLAN_BYTES
        return max(self._limit_bytes, larger)

    def _bounded(self, receive: Receive, limit_bytes: int) -> Receive:
        """Count what a body without a stated length brings."""
        size_bytes = 0

        async def _receive() -> Message:
            nonlocal size_bytes
            message = await receive()
            if message["type"] == "http.request":
                size_bytes += len(message.get("body", b""))
                if size_bytes > limit_bytes:
                    raise HTTPException(413, str(limit_bytes))
            return message

        return _receive

    def _dress(self, given: Iterable[tuple[bytes, bytes]], host: str, request_id: str) -> list[tuple[bytes, bytes]]:
        headers = [*given, *self._headers, (b"x-request-id", request_id.encode())]
        policy = content_policy(
            host if host in self._names else "",
            self._media_ports(),
            is_secure=self._is_secure,
            elsewhere=self._elsewhere(),
        )
        headers.append((b"content-security-policy", policy.encode()))
        if not any(name == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))
        return headers


def _template(scope: Scope) -> str:
    """Return the route of a request as figures name it: never an address somebody made up."""
    route = getattr(scope.get("route"), "path", None)
    if route is not None:
        return str(route)
    path: str = scope["path"]
    if path.startswith(UPLOAD_PATH):
        return UPLOAD_PATH
    if path in _NAMED_PATHS:
        return path
    return "unknown" if path.startswith("/api") else "console"


def _host_of(header: str) -> str:
    """Return the name of a Host header without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    return name.partition(":")[0]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
