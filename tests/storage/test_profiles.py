"""Device profiles: findings with evidence, forgetting, the matrix out and in, guesses."""

from __future__ import annotations

import json

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import HOUSE, INSTALLER_A, House, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.device_profiles import matrix_csv, matrix_json, profile_form, read_matrix
from tocsin.domain.profile_service import ProfileService
from tocsin.storage.store import AnyStore


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:  # noqa: F811
    return await make_house(store, clock)


@pytest.fixture
def profiles(house: House) -> ProfileService:
    return ProfileService(house.store, house.directory)


async def test_a_finding_is_kept_with_its_evidence_and_used_at_once(house: House, profiles: ProfileService) -> None:
    camera = await house.camera()
    house.reports.found(camera.id, house.clock.now(), "sdp_variant", "wide", "picture_opened_after", tries=4)
    assert house.directory.sip_of(camera.id).sdp_variant == "wide"
    await house.reports.flush()
    device, found = await profiles.profile(camera.id, actor=HOUSE)
    [row] = [row for row in profile_form(device, found, "en") if row["trait"] == "sdp_variant"]
    assert (row["value"], row["state"]) == ("wide", "proven")
    assert "126" in row["words"]
    assert "try 4" in row["evidence"]
    assert row["at"]
    await house.directory.refresh(camera.id)
    assert house.directory.sip_of(camera.id).sdp_variant == "wide", "and after a restart"


async def test_a_setting_goes_before_what_was_learned(house: House, profiles: ProfileService) -> None:
    camera = await house.camera(settings={"sdp_variant": "bare"})
    house.reports.found(camera.id, house.clock.now(), "sdp_variant", "wide", "picture_opened")
    assert house.directory.sip_of(camera.id).sdp_variant == "bare"
    await house.reports.flush()
    device, found = await profiles.profile(camera.id, actor=HOUSE)
    [row] = [row for row in profile_form(device, found, "zh") if row["trait"] == "sdp_variant"]
    assert (row["value"], row["state"]) == ("bare", "set")


async def test_forgetting_clears_value_and_evidence_and_leaves_its_record(
    house: House, profiles: ProfileService
) -> None:
    camera = await house.camera()
    house.reports.found(camera.id, house.clock.now(), "date_form", "none", "stayed_after_date")
    house.reports.learned(camera.id, charset="gbk")
    await house.reports.flush()
    device, found = await profiles.forget(camera.id, actor=HOUSE, version=camera.version)
    assert found == []
    assert device.profile == {}
    known = house.directory.sip_of(camera.id)
    assert (known.date_form, known.charset) == ("", "")
    assert ("device.profile_forgotten", "done") in await house.audited()


async def test_forgetting_needs_the_right_and_the_present_version(house: House, profiles: ProfileService) -> None:
    camera = await house.camera()
    with pytest.raises(TocsinError) as caught:
        await profiles.forget(camera.id, actor=HOUSE, version=camera.version + 1)
    assert caught.value.code is ErrorCode.CONFLICT
    other = await house.camera("34022400001320000001", place_id=house.school_b.id)
    with pytest.raises(TocsinError) as caught:
        await profiles.forget(other.id, actor=INSTALLER_A, version=other.version)
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_the_matrix_counts_makes_and_what_they_need_within_the_area(
    house: House, profiles: ProfileService
) -> None:
    for number in (1, 2, 3):
        camera = await house.camera(f"3402230000132000000{number}", maker="Dahe", model="N8", firmware="1.2")
        variant = "wide" if number < 3 else "bare"
        house.reports.found(camera.id, house.clock.now(), "sdp_variant", variant, "picture_opened")
    await house.camera("34022400001320000009", place_id=house.school_b.id, maker="Qing", model="Q1")
    await house.reports.flush()
    rows = await profiles.matrix(actor=HOUSE)
    assert [(row.maker, row.model, row.firmware, row.devices) for row in rows] == [
        ("Dahe", "N8", "1.2", 3),
        ("Qing", "Q1", "", 1),
    ]
    assert rows[0].traits["sdp_variant"] == {"wide": 2, "bare": 1}
    assert [row.maker for row in await profiles.matrix(actor=INSTALLER_A)] == ["Dahe"]
    for text in (matrix_csv(rows), matrix_json(rows)):
        assert read_matrix(text) == rows


async def test_an_imported_matrix_gives_first_guesses_that_stay_guesses_until_proven(
    house: House, profiles: ProfileService
) -> None:
    here = await house.camera(maker="DAHE ", model="n8")
    shown = await house.camera("34022300001320000002", maker="Dahe", model="N8")
    house.reports.found(shown.id, house.clock.now(), "sdp_variant", "bare", "picture_opened")
    await house.reports.flush()
    row = {"maker": "Dahe", "model": "N8", "firmware": "", "devices": 9, "traits": {"sdp_variant": {"wide": 7}}}
    text = json.dumps({"rows": [row]})
    assert await profiles.take_in(text, actor=HOUSE) == {"rows": 1, "guesses": 1, "devices": 1}
    known = house.directory.sip_of(here.id)
    assert (known.sdp_variant, known.guessed) == ("wide", ("sdp_variant",))
    assert house.directory.sip_of(shown.id).sdp_variant == "bare", "what it has shown itself stays"
    device, found = await profiles.profile(here.id, actor=HOUSE)
    [row] = [row for row in profile_form(device, found, "en") if row["trait"] == "sdp_variant"]
    assert row["state"] == "guess"
    assert "7" in row["evidence"]

    house.reports.found(here.id, house.clock.now(), "sdp_variant", "wide", "picture_opened")
    await house.reports.flush()
    assert house.directory.sip_of(here.id).guessed == ()
    _, found = await profiles.profile(here.id, actor=HOUSE)
    assert [one.is_proven for one in found] == [True]
    assert ("profiles.imported", "done") in await house.audited()


async def test_a_device_that_says_later_who_made_it_gets_the_guesses_then(
    house: House, profiles: ProfileService
) -> None:
    await profiles.take_in("maker,model,firmware,devices,date_form\nDahe,N8,,3,none:3\n", actor=HOUSE)
    camera = await house.camera()
    assert house.directory.sip_of(camera.id).date_form == ""
    house.reports.learned(camera.id, maker="Dahe", model="N8", firmware="1.2")
    await house.reports.flush()
    assert house.directory.sip_of(camera.id).date_form == "none"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{",
        '{"rows": 1}',
        '{"rows": []}',
        '{"rows": [{"maker": "a", "model": "b", "traits": {"sdp_variant": {"=cmd": 1}}}]}',
        '{"rows": [{"maker": "a", "model": "b", "traits": {"faces": {"x": 1}}}]}',
        '{"rows": [{"maker": "a", "model": "b", "traits": {"charset": {"gbk": -1}}}]}',
        "maker,model,sdp_variant\na,b,nothing:1\n",
        'maker,model,media_ladder\na,b,"udp,pigeon:1"\n',
        "[" * 100_000,
    ],
)
async def test_what_is_no_matrix_is_refused_whole_and_says_where(
    house: House, profiles: ProfileService, text: str
) -> None:
    with pytest.raises(TocsinError) as caught:
        await profiles.take_in(text, actor=HOUSE)
    assert caught.value.code is ErrorCode.INVALID
    assert caught.value.key == "profiles.not_a_matrix"


async def test_a_matrix_without_end_is_refused(house: House, profiles: ProfileService) -> None:
    lines = "maker,model\n" + "a,b\n" * 10_001
    for text in (lines, "x" * (3 << 20)):
        with pytest.raises(TocsinError) as caught:
            await profiles.take_in(text, actor=HOUSE)
        assert caught.value.key == "profiles.too_large"


async def test_only_those_who_manage_the_registry_take_a_matrix_in(house: House, profiles: ProfileService) -> None:
    with pytest.raises(TocsinError) as caught:
        await profiles.take_in("maker,model\na,b\n", actor=INSTALLER_A)
    assert caught.value.code in (ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND)
