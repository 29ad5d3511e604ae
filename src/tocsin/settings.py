"""Settings: one typed model, read from defaults, a TOML file, `TOCSIN_<SECTION>__<KEY>` variables and the command line.

What operators tune by day (plans, thresholds, rosters) is data with an audit record and is not here.
An unknown name stops the start and the message names the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import os
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PrivateAttr, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.settings_fields import Section
from tocsin.settings_gateways import Dc09Settings, IntercomSettings, Jt808Settings, ReceiverSettings, SipSettings
from tocsin.settings_house import AuditSettings, LogSettings, ServerSettings, StorageSettings, SupervisionSettings
from tocsin.settings_messages import CapSettings, MqttSettings, WebhookSettings
from tocsin.settings_pictures import HealthSettings, MediaSettings, PictureHealthSettings, SnapshotSettings
from tocsin.settings_recording import ClipSettings, EdgeSettings, RecordingSettings
from tocsin.settings_tiers import TierSettings

ENV_PREFIX = "TOCSIN_"
OTHER_VARIABLES = frozenset({"TOCSIN_CONFIG", "TOCSIN_DATA"})  # not settings: where to look
OTHER_PREFIXES = ("TOCSIN_FUZZ_", "TOCSIN_TEST_", "TOCSIN_BENCH_")  # belong to the test runners
MASK = "********"


class Settings(Section):
    """All settings, by section."""

    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    dc09: Dc09Settings = Dc09Settings()
    jt808: Jt808Settings = Jt808Settings()
    webhook: WebhookSettings = WebhookSettings()
    receivers: ReceiverSettings = ReceiverSettings()
    mqtt: MqttSettings = MqttSettings()
    cap: CapSettings = CapSettings()
    sip: SipSettings = SipSettings()
    intercom: IntercomSettings = IntercomSettings()
    media: MediaSettings = MediaSettings()
    audit: AuditSettings = AuditSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    health: HealthSettings = HealthSettings()
    picture_health: PictureHealthSettings = PictureHealthSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    recording: RecordingSettings = RecordingSettings()
    tiers: TierSettings = TierSettings()
    clips: ClipSettings = ClipSettings()
    edge: EdgeSettings = EdgeSettings()
    log: LogSettings = LogSettings()

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.server.data

    @property
    def storage_url(self) -> str:
        """The database URL, with the default filled in."""
        return self.storage.url.get_secret_value() or f"sqlite:///{self.data.absolute() / 'tocsin.sqlite3'}"

    @property
    def heads_path(self) -> Path:
        """Where the heads of the audit chain go."""
        return Path(self.audit.heads) if self.audit.heads else self.data / "audit.heads"

    @property
    def secret_key_path(self) -> Path:
        """The key under which device secrets are sealed."""
        return self.data / "secret.key"

    @property
    def signing_key_path(self) -> Path:
        """The key the house signs with; its public half lies beside it."""
        return self.data / "signing.key"

    @property
    def sip_contact_ip(self) -> str:
        """The address written into Via and Contact; empty when it depends on the route."""
        return self.sip.contact_ip or ("" if self.sip.host in ("0.0.0.0", "::") else self.sip.host)  # noqa: S104

    @property
    def sip_media_ip(self) -> str:
        """The address devices send pictures to; empty when it depends on the route."""
        return self.sip.media_ip or self.sip_contact_ip


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting as it is now, for people."""

    name: str
    value: str
    default: str
    source: str
    description: str
    unit: str


def load_settings(
    config: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings; later sources win: default, file, variable, command line.

    `overrides` is keyed `section.key`. Errors: INVALID on an unreadable file, an unknown name or an impossible value;
    the text says where it came from and what would be right.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, name, value in _given(config, os.environ if environ is None else environ, overrides or {}):
        values[name] = value
        sources[name] = source
    tree: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        tree.setdefault(section, {})[key] = value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise TocsinError(ErrorCode.INVALID, _explain(error, sources), key="settings.invalid") from error
    settings._sources = sources
    return settings


def known_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Yield `section.key` and its field, in the order of the file."""
    for section, info in Settings.model_fields.items():
        kind = info.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        for key, field in kind.model_fields.items():
            yield f"{section}.{key}", field


def settings_in_force(settings: Settings) -> list[SettingInForce]:
    """List every setting with its value, default and source; secrets are masked."""
    listed = []
    for name, field in known_settings():
        section, _, key = name.partition(".")
        value = getattr(getattr(settings, section), key)
        listed.append(
            SettingInForce(
                name=name,
                value=setting_text(value),
                default=setting_text(field.default),
                source=settings._sources.get(name, "default"),
                description=field.description or "",
                unit=setting_unit(field),
            )
        )
    return listed


def example_toml() -> str:
    """Return the text of `tocsin.example.toml`: every setting with its default and a comment."""
    lines = [
        "# Every setting of Tocsin with its default. Copy what you change into a file of your own and start",
        "# `tocsin serve --config FILE`. Each can also be given as a variable: TOCSIN_<SECTION>__<KEY>, lists",
        "# separated by commas. An unknown name stops the start.",
        "# This file is made from src/tocsin/settings*.py by `python docs/generate.py`.",
    ]
    section = ""
    for name, field in known_settings():
        head, _, key = name.partition(".")
        if head != section:
            section = head
            kind = Settings.model_fields[section].annotation
            assert kind is not None
            lines += ["", f"# {kind.__doc__}", f"[{section}]"]
        lines += textwrap.wrap(
            f"{field.description} ({setting_unit(field)})", 108, initial_indent="# ", subsequent_indent="# "
        )
        lines.append(f"{key} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def _given(
    config: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Yield (source, name, value), weakest source first; refuse unknown names."""
    known = dict(known_settings())
    if config is None and environ.get("TOCSIN_CONFIG"):
        config = Path(environ["TOCSIN_CONFIG"])
    if config is not None:
        for name, value in _read_toml(config):
            _check_known(name, known, str(config))
            yield f"file {config}", name, value
    if environ.get("TOCSIN_DATA"):
        yield "variable TOCSIN_DATA", "server.data", environ["TOCSIN_DATA"]
    for variable, text in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in OTHER_VARIABLES or variable.startswith(OTHER_PREFIXES):
            continue
        section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        name = f"{section}.{key}"
        _check_known(name, known, f"variable {variable}")
        yield f"variable {variable}", name, _from_text(text, known[name])
    for name, value in overrides.items():
        if value is not None:
            _check_known(name, known, "command line")
            yield "command line", name, value


def _read_toml(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open("rb") as file:
            tree = tomllib.load(file)
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TocsinError(ErrorCode.INVALID, f"the settings file {path} is not TOML: {error}") from error
    for section, content in tree.items():
        if not isinstance(content, dict):
            _check_known(f"{section}.", {name: None for name, _ in known_settings()}, str(path))
        else:
            for key, value in content.items():
                yield f"{section}.{key}", value


def _check_known(name: str, known: Mapping[str, object], where: str) -> None:
    if name in known:
        return
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    key = name.partition(".")[2]
    if not nearest and key:
        nearest = [candidate for candidate in known if candidate.endswith(f".{key}")][:1]
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; the sections are {', '.join(Settings.model_fields)}"
    raise TocsinError(
        ErrorCode.INVALID, f"{where}: there is no setting {name.rstrip('.')}{hint}", key="settings.unknown", name=name
    )


def _from_text(text: str, field: FieldInfo) -> Any:
    if isinstance(field.default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    parts = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"][:2])
        given = "" if "secret" in name or name == "storage.url" else f" (given: {problem['input']!r})"
        parts.append(f"{sources.get(name, 'settings')}: {name}: {problem['msg'].removeprefix('Value error, ')}{given}")
    return "; ".join(parts)


def setting_text(value: Any) -> str:
    """Return a value as people read it; secrets are masked."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def setting_unit(field: FieldInfo) -> str:
    """Return the unit of a setting."""
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else ""


def _toml(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(part) for part in value) + "]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value)


def upload_address(settings: Settings) -> str:
    """Return the address cameras upload snapshots to: the one set, else the public one, else where the console is."""
    server = settings.server
    return settings.snapshots.upload_url or server.public_url or f"http://{server.host}:{server.port}"
