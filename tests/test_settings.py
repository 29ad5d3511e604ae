"""Settings: where they come from, what is refused, and what people read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.settings import MASK, Settings, example_toml, known_settings, load_settings, setting_unit, settings_in_force

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "tocsin"


def load(**variables: str) -> Settings:
    return load_settings(environ=variables)


def refusal(**variables: str) -> str:
    with pytest.raises(TocsinError) as caught:
        load(**variables)
    assert caught.value.code is ErrorCode.INVALID
    return caught.value.detail


def written(folder: Path, text: str) -> Path:
    path = folder / "tocsin.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_everything_is_at_its_default_and_on_loopback() -> None:
    settings = load()
    assert settings == Settings()
    for section in (settings.server, settings.dc09, settings.sip, settings.media):
        assert section.host == "127.0.0.1"
    assert settings.heads_path == settings.data / "audit.heads"
    assert settings.storage_url.endswith("/tocsin.sqlite3")


def test_a_variable_beats_the_file_and_the_command_line_beats_both(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 1111\nhost = '127.0.0.2'\n[dc09]\nport = 2222\n")
    settings = load_settings(
        path, environ={"TOCSIN_SERVER__PORT": "3333", "TOCSIN_DC09__PORT": "4444"}, overrides={"dc09.port": 5555}
    )
    assert (settings.server.host, settings.server.port, settings.dc09.port) == ("127.0.0.2", 3333, 5555)
    sources = {one.name: one.source for one in settings_in_force(settings)}
    assert sources["server.host"] == f"file {path}"
    assert sources["server.port"] == "variable TOCSIN_SERVER__PORT"
    assert sources["dc09.port"] == "command line"
    assert sources["sip.port"] == "default"


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    path = written(tmp_path, "[sip]\nrealm = 'town'\n")
    assert load(TOCSIN_CONFIG=str(path)).sip.realm == "town"


def test_the_data_folder_has_a_short_variable() -> None:
    assert load(TOCSIN_DATA="/srv/a").data == Path("/srv/a")
    assert load(TOCSIN_DATA="/srv/a", TOCSIN_SERVER__DATA="/srv/b").data == Path("/srv/b")


def test_lists_are_separated_by_commas_in_a_variable() -> None:
    assert load(TOCSIN_SIP__MEDIA_LADDER="tcp_passive, udp").sip.media_ladder == ("tcp_passive", "udp")


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("TOCSIN_SERVER__PROT", "server.port"),
        ("TOCSIN_SERVR__PORT", "server.port"),
        ("TOCSIN_DC09__MAX_CONECTIONS", "dc09.max_connections"),
        ("TOCSIN_MEDIA__FRAGMENTMS", "media.fragment_ms"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_name(variable: str, nearest: str) -> None:
    detail = refusal(**{variable: "1"})
    assert variable in detail
    assert nearest in detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nporrt = 1\n", ["server.porrt", "server.port"]),
        ("[sever]\nport = 1\n", ["sever.port", "server.port"]),
        ("port = 1\n", ["port"]),
        ("[server\n", ["not TOML"]),
    ],
)
def test_a_wrong_file_is_refused_and_named(tmp_path: Path, text: str, words: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TocsinError) as caught:
        load_settings(path, environ={})
    for word in [str(path), *words]:
        assert word in caught.value.detail


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TocsinError, match="cannot read the settings file"):
        load_settings(tmp_path / "none.toml", environ={})


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("TOCSIN_SERVER__PORT", "70000", "server.port"),
        ("TOCSIN_SERVER__PORT", "eighty", "server.port"),
        ("TOCSIN_SIP__SERVER_ID", "123", "sip.server_id"),
        ("TOCSIN_SIP__MEDIA_LADDER", "carrier_pigeon", "sip.media_ladder"),
        ("TOCSIN_MEDIA__RTP_PORTS", "30000-20000", "media.rtp_ports"),
        ("TOCSIN_MEDIA__WORKERS", "0", "media.workers"),
        ("TOCSIN_DC09__EXEMPT_NETWORKS", "everywhere", "dc09.exempt_networks"),
        ("TOCSIN_LOG__LEVEL", "loud", "log.level"),
    ],
)
def test_an_impossible_value_is_refused_with_its_name_and_source(variable: str, value: str, name: str) -> None:
    detail = refusal(**{variable: value})
    assert variable in detail
    assert name in detail


def test_variables_of_the_test_runners_are_not_settings() -> None:
    assert load(TOCSIN_FUZZ_SECONDS="3", TOCSIN_TEST_CRASHES="5") == Settings()


def test_secrets_are_masked_and_never_in_an_error() -> None:
    settings = load(TOCSIN_SERVER__METRICS_TOKEN="tell-nobody", TOCSIN_STORAGE__URL="postgresql://u:tell-nobody@h/d")
    assert "tell-nobody" not in repr(settings)
    shown = {one.name: one.value for one in settings_in_force(settings)}
    assert shown["server.metrics_token"] == MASK
    assert shown["storage.url"] == MASK
    assert settings.storage_url == "postgresql://u:tell-nobody@h/d"


def test_settings_cannot_be_changed_once_read() -> None:
    settings: Any = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


def test_every_setting_has_a_description_and_a_unit() -> None:
    bare = [name for name, field in known_settings() if not field.description or not setting_unit(field)]
    assert bare == []


def test_the_example_file_is_current_and_holds_every_setting_at_its_default() -> None:
    text = (ROOT / "tocsin.example.toml").read_text(encoding="utf-8")
    assert text == example_toml(), "run: python docs/generate.py"
    assert load_settings(ROOT / "tocsin.example.toml", environ={}).model_dump() == Settings().model_dump()
    listed = {f"{section}.{key}" for section, content in tomllib.loads(text).items() for key in content}
    assert listed == {name for name, _ in known_settings()}


def test_every_setting_is_used() -> None:
    """Each is read by its section and name where the house is put together; the web gets its section whole."""
    root = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py"))
    web = "\n".join(path.read_text(encoding="utf-8") for path in (SOURCE / "web").glob("*.py"))
    unused = []
    for name, _ in known_settings():
        section, _, key = name.partition(".")
        is_read = re.search(rf"\b{re.escape(name)}\b", root) or (section == "server" and f"settings.{key}" in web)
        if not is_read and name != "media.rtp_ports":  # read by its two ends
            unused.append(name)
    assert unused == []


def test_the_listing_shows_every_setting_once() -> None:
    listed = settings_in_force(load())
    assert [one.name for one in listed] == [name for name, _ in known_settings()]
    assert all(not isinstance(one.value, SecretStr) for one in listed)


EXTERNAL = {
    "TOCSIN_MEDIA__RELAY": "zlmediakit",
    "TOCSIN_MEDIA__EXTERNAL_URL": "http://10.0.0.9:80/",
    "TOCSIN_MEDIA__EXTERNAL_SECRET": "their-secret",
    "TOCSIN_MEDIA__EXTERNAL_PUBLIC": "wss://media.example.org:444",
    "TOCSIN_MEDIA__EXTERNAL_HOOK_SECRET": "abcdefgh12345678",
}


def test_an_external_media_server_is_set_whole_or_not_at_all() -> None:
    assert load(**EXTERNAL).media.external_url == "http://10.0.0.9:80"
    for left_out in list(EXTERNAL)[1:]:
        detail = refusal(**{name: value for name, value in EXTERNAL.items() if name != left_out})
        assert left_out.removeprefix("TOCSIN_MEDIA__").lower() in detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXTERNAL_URL", "ws://10.0.0.9"),
        ("EXTERNAL_URL", "http://10.0.0.9/index"),
        ("EXTERNAL_URL", "http://10.0.0.9:99999"),
        ("EXTERNAL_PUBLIC", "wss://media.example.org;x"),
        ("EXTERNAL_PUBLIC", "wss://somebody@media.example.org"),
        ("EXTERNAL_HOOK_SECRET", "short"),
        ("EXTERNAL_HOOK_SECRET", "with/slashes/in/it/"),
        ("EXTERNAL_HOOK_NETWORKS", "everywhere"),
        ("RELAY", "mediamtx"),
    ],
)
def test_a_wrong_setting_of_an_external_media_server_is_refused(name: str, value: str) -> None:
    assert name.lower() in refusal(**{**EXTERNAL, f"TOCSIN_MEDIA__{name}": value})
