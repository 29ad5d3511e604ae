"""Write the generated documents from the code: settings, permissions, errors, API, schema, and the example settings file.

`python docs/generate.py` writes them; `--check` only says which are not current (a test calls it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tocsin.base.errors import ErrorCode
from tocsin.domain.access import PURPOSE_LIMIT_MIN, ROLE_PERMISSIONS, ROLE_PURPOSES, Permission, Purpose, Role
from tocsin.settings import Settings, example_toml, known_settings, setting_text, setting_unit
from tocsin.storage.tables import metadata

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the checklist stands beside its tests
REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Made by `python docs/generate.py`. -->\n"

PERMISSION_WORDS = {
    Permission.HANDLE_INCIDENT: "claim, decide, work the plan, send units, park, note, close",
    Permission.SUPERVISE_INCIDENT: "release another's claim, reopen, see what others have claimed",
    Permission.VIEW_LIVE: "look through a camera, for a purpose the role has",
    Permission.VIEW_LIVE_OTHER_PURPOSE: "look for a purpose other than verifying an alarm",
    Permission.CONTROL_CAMERA: "move a camera one looks at, keep its presets",
    Permission.SPEAK_TO_CAMERA: "speak through a camera one looks at",
    Permission.MANAGE_REGISTRY: "enter, change and retire jurisdictions, places, devices, zones, links, units",
    Permission.MANAGE_USERS: "add, change and disable users, set passwords",
    Permission.MANAGE_PLANS: "write response plans and alarm rules",
    Permission.READ_AUDIT: "read and verify the audit log",
    Permission.READ_REGISTRY: "read places, devices, zones, cameras, the map",
    Permission.READ_INCIDENTS: "read incidents, alarms, signals, units, plans",
    Permission.MANAGE_SETTINGS: "read the settings in force",
    Permission.COMMISSION_CAMERA: "put a camera into service",
    Permission.SET_UNIT: "set the state of a unit",
    Permission.ARM_DEVICE: "arm and disarm a device",
    Permission.INVITE_TEST: "send an installer a link to a device's test, and withdraw it",
    Permission.SHARE_CAMERAS: "enter upper platforms, choose what they see, agree on it",
    Permission.OPEN_DOOR: "open a door over an intercom's call one has in hand, with a reason",
    Permission.READ_CONTACTS: "read whom to call about an account; each reading is a record",
    Permission.MANAGE_CONTACTS: "enter contacts and passwords of premises, import and export them",
    Permission.NOTE_ACCOUNT: "write notes for responders",
    Permission.STOP_SHARING: "see what upper platforms look at, and stop it at once",
}

ERROR_WORDS = {
    ErrorCode.INVALID: (422, "something in the request cannot be right; `errors` names each field", "mend it"),
    ErrorCode.UNAUTHENTICATED: (401, "no session, or it has ended", "sign in"),
    ErrorCode.FORBIDDEN: (
        403,
        "your roles do not allow it; `rule` names the rule, and the audit has the refusal",
        "ask",
    ),
    ErrorCode.NOT_FOUND: (404, "there is none, or it is outside your jurisdictions", "look at the list"),
    ErrorCode.CONFLICT: (
        409,
        "somebody changed it or holds it; `params.current_version` when stale",
        "read again, repeat",
    ),
    ErrorCode.BLOCKED: (409, "closing is blocked; `params.steps` names what is open", "finish the steps"),
    ErrorCode.TOO_MANY: (429, "too many requests or attempts", "wait"),
    ErrorCode.UNAVAILABLE: (503, "the store, a device or a worker does not answer; nothing was done", "repeat later"),
}


def settings_page() -> str:
    """Return the table of every setting."""
    lines = [
        HEAD,
        "# Settings",
        "",
        "Given in a TOML file (`tocsin serve --config FILE`), as a variable `TOCSIN_<SECTION>__<KEY>`, or on the command",
        "line; later wins. An unknown name stops the start and the message names the nearest known one. The file with",
        "every default is `tocsin.example.toml` in the checkout.",
        "`GET /api/v1/settings` lists what is in force and where it came from; secrets are masked.",
    ]
    section = ""
    for name, field in known_settings():
        head, _, key = name.partition(".")
        if head != section:
            section = head
            kind = Settings.model_fields[section].annotation
            assert kind is not None
            lines += [
                "",
                f"## {section}",
                "",
                str(kind.__doc__),
                "",
                "| key | default | unit | what it does |",
                "|---|---|---|---|",
            ]
        default = setting_text(field.default) or "(empty)"
        lines.append(f"| `{key}` | `{default}` | {setting_unit(field)} | {field.description} |")
    return "\n".join(lines) + "\n"


def permissions_page() -> str:
    """Return roles, permissions and purposes."""
    roles = list(Role)
    lines = [
        HEAD,
        "# Permissions",
        "",
        "A user has roles within jurisdictions; each covers itself and all below it. A denial always wins, and what nobody",
        "granted is denied. An administrator holds no right to look by being one.",
        "",
        "| permission | means | " + " | ".join(role.value for role in roles) + " |",
        "|---|---|" + "---|" * len(roles),
    ]
    for permission in Permission:
        marks = " | ".join("yes" if permission in ROLE_PERMISSIONS[role] else "" for role in roles)
        lines.append(f"| `{permission.value}` | {PERMISSION_WORDS[permission]} | {marks} |")
    lines += ["", "## Purposes of looking", "", "| purpose | longest, minutes | roles |", "|---|---|---|"]
    for purpose in Purpose:
        who = ", ".join(role.value for role in roles if purpose in ROLE_PURPOSES[role])
        lines.append(f"| `{purpose.value}` | {PURPOSE_LIMIT_MIN[purpose]} | {who} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the stable error codes."""
    lines = [
        HEAD,
        "# Errors",
        "",
        "Every error is `application/problem+json`: `type`, `title`, `status`, `code`, `detail`, `params`. `code` is stable;",
        "`title` and `detail` are in the caller's language (`Accept-Language`, or `?lang=zh-CN|en`).",
        "",
        "| code | status | means | do |",
        "|---|---|---|---|",
    ]
    for code in ErrorCode:
        status, means, remedy = ERROR_WORDS[code]
        lines.append(f"| `{code.value}` | {status} | {means} | {remedy} |")
    lines += [
        "",
        "The command line prints the same sentence to standard error and ends with status 2 for `invalid`, 1 for all else.",
    ]
    return "\n".join(lines) + "\n"


def schema_page() -> str:
    """Return the tables with the comment of every column."""
    lines = [
        HEAD,
        "# Schema",
        "",
        "One schema for SQLite and PostgreSQL, made by Alembic (`src/tocsin/storage/migrations`). Times end in `_at_us`: ",
        "microseconds since 1970 UTC. It may change between releases; programs use the API. By name.",
    ]
    for _, table in sorted(metadata.tables.items()):
        lines += ["", f"## {table.name}", "", str(table.comment or ""), "", "| column | type | |", "|---|---|---|"]
        for column in table.columns:
            notes = [] if column.comment is None else [column.comment.replace("|", "\\|")]
            if column.primary_key:
                notes.insert(0, "key")
            if column.foreign_keys:
                notes.append("→ " + ", ".join(sorted(key.target_fullname for key in column.foreign_keys)))
            if column.nullable:
                notes.append("may be empty")
            lines.append(f"| `{column.name}` | {str(column.type).lower()} | {'; '.join(notes)} |")
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """Return every route with its permission, from the OpenAPI document."""
    from tocsin.web.api import ROUTERS

    lines = [
        HEAD,
        "# API",
        "",
        "Version 1 lies under `/api/v1`; the OpenAPI document is at `/api/v1/openapi.json` of a running server and has every",
        "field. Sign in with `POST /api/v1/session` (a cookie; writes carry `X-CSRF-Token`) or send `Authorization: Bearer",
        "TOKEN` (`tocsin user token`). Times are RFC 3339 UTC. Lists take `after` and `limit` and answer `items` and `next`.",
        "Every mutable object carries `version`; a stale one is answered with 409. Errors: [errors](errors.md).",
        "Changes come over the WebSocket `/api/v1/feed?after=SEQ`, pictures over the addresses `POST /api/v1/views` gives.",
    ]
    group = ""
    for router in ROUTERS:
        for route in router.routes:
            for method in sorted(getattr(route, "methods", None) or ()):
                tag = str((getattr(route, "tags", None) or ["other"])[0])
                if tag != group:
                    group = tag
                    lines += ["", f"## {group}", "", "| call | permission | |", "|---|---|---|"]
                lines.append(f"| `{method} {route.path}` | {_permission(route)} | {_summary(route)} |")  # type: ignore[attr-defined]
    lines += [
        "",
        "## outside /api",
        "",
        "| call | permission | |",
        "|---|---|---|",
        "| `GET /healthz` | none | the process lives |",
        "| `GET /readyz` | none | it can take alarms: 200, else 503 |",
        "| `GET /metrics` | loopback, or the token `server.metrics_token` | Prometheus text |",
    ]
    return "\n".join(lines) + "\n"


def _permission(route: Any) -> str:
    from tocsin.web.app import permissions_of

    stated = permissions_of(route)
    if stated is None:
        return "none"
    return " or ".join(f"`{permission.value}`" for permission in stated) or "signed in"


def _summary(route: Any) -> str:
    return str(route.endpoint.__doc__ or "").strip().splitlines()[0].replace("|", "\\|")


def conformance_page() -> str:
    """Return what of GB/T 28181 is kept, where, and by which test."""
    from tests.conformance.checklist import AREAS, load

    rows = load()
    lines = [
        HEAD,
        "# GB/T 28181: conformance",
        "",
        "Each rule names the files that keep it and the tests that hold it. For each rule the code was broken on purpose",
        "in at least one place (`tests/conformance/rows`); `tests/conformance/test_rows.py` breaks it again in every run",
        "and fails unless one of these tests turns red. What the device must type and see is in [gb28181.md](gb28181.md).",
    ]
    for area, title in AREAS.items():
        chosen = [row for row in rows if row.area == area]
        if not chosen:
            continue
        lines += ["", f"## {title}", "", "| rule | clause | implemented in | tested by |", "|---|---|---|---|"]
        for row in chosen:
            files = ", ".join(f"`{name.removeprefix('src/tocsin/')}`" for name in row.implemented)
            tests = ", ".join(
                f"`{name.removeprefix('tests/').partition('::')[0]}` {name.rpartition('::')[2]}" for name in row.tests
            )
            rule = f"**{row.id.partition('.')[2]}** {row.rule}".replace("|", "\\|")
            lines.append(f"| {rule} | {row.clause} | {files} | {tests} |".replace("\n", " "))
    return "\n".join(lines) + "\n"


PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "tocsin.example.toml": example_toml,
    REFERENCE / "settings.md": settings_page,
    REFERENCE / "permissions.md": permissions_page,
    REFERENCE / "errors.md": errors_page,
    REFERENCE / "schema.md": schema_page,
    REFERENCE / "api.md": api_page,
    ROOT / "docs" / "protocols" / "gb28181-conformance.md": conformance_page,
}


def stale() -> list[str]:
    """Return the documents that are not what the code says."""
    return [
        str(path.relative_to(ROOT))
        for path, make in PAGES.items()
        if not path.exists() or path.read_text(encoding="utf-8") != make()
    ]


def main() -> int:
    """Write or check."""
    if "--check" in sys.argv:
        for name in (names := stale()):
            print(f"not current: {name}")
        return 1 if names else 0
    for path, make in PAGES.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
