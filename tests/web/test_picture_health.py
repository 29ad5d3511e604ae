"""Picture health through HTTP: overview, one camera, a check now, a still, in the caller's language and area."""

from __future__ import annotations

from pathlib import Path

from tests.support.house import WEST_GATE
from tests.support.pictures import JPEG, SayingExaminer, ShownStreams
from tests.web.conftest import WebHouse
from tocsin.base.vault import Vault
from tocsin.domain.directory import Directory
from tocsin.domain.picture_desk import PictureDesk
from tocsin.domain.picture_rounds import PictureRounds
from tocsin.protocols.gb28181.snapshot import picture_in
from tocsin.storage.snapshots import SnapshotFolder

API = "/api/v1"


async def furnish(house: WebHouse, tmp_path: Path) -> SayingExaminer:
    """Let the house examine pictures of the west gate, which runs."""
    examiner, stills = SayingExaminer(), SnapshotFolder(tmp_path / "stills", picture_in)
    directory = Directory(house.store, Vault(bytes(32)))
    await directory.load()
    answered = "UPDATE channels SET owner = 'school', purpose = 'gate', place_id = (SELECT min(id) FROM places)"
    await house.store.run(lambda tx: tx.connection.exec_driver_sql(answered))
    rounds = PictureRounds(
        house.store,
        house.clock,
        directory,
        ShownStreams({WEST_GATE}),
        examiner,
        stills,
        folder=tmp_path,
        run_folder=tmp_path,
    )
    house.services.pictures = PictureDesk(house.store, rounds, stills)
    return examiner


async def test_a_black_picture_is_found_shown_to_upkeep_and_called_none(house: WebHouse, tmp_path: Path) -> None:
    examiner = await furnish(house, tmp_path)
    examiner.faults[WEST_GATE] = {"black": 1.4}
    async with house.client("installer", **{"Accept-Language": "en"}) as client:
        for _ in range(3):
            house.clock.advance(60)
            found = await client.post(f"{API}/cameras/{WEST_GATE}/picture-health/check")
            assert found.status_code == 200, found.text
        form = found.json()
        (fault,) = form["faults"]
        assert (form["state"], fault["key"], fault["words"]) == ("fault", "image.black", "The picture is black.")
        (still,) = fault["stills"]
        picture = await client.get(f"{API}/picture-stills/{still['id']}/picture")
        assert (picture.content, picture.headers["cache-control"]) == (JPEG, "no-store")
        listed = (await client.get(f"{API}/picture-faults?kind=black")).json()["items"]
        assert [item["stills"][0]["id"] for item in listed] == [still["id"]]
        assert (await client.get(f"{API}/picture-faults?kind=moved")).json()["items"] == []
        assert (await client.get(f"{API}/picture-health")).json()["by_kind"] == {"image.black": 1}
    async with house.client("admin") as client:
        assert (await client.get(f"{API}/picture-stills/{still['id']}/picture")).status_code == 403
    async with house.client("li", **{"Accept-Language": "zh-CN"}) as client:
        assert (await client.get(f"{API}/cameras/{WEST_GATE}/picture-health")).json()["faults"][0][
            "words"
        ] == "画面全黑。"
        denied = await client.post(f"{API}/cameras/{WEST_GATE}/picture-health/no-fault", json={"fault_id": fault["id"]})
        assert denied.status_code == 403
    async with house.client("installer") as client:
        denied = await client.post(f"{API}/cameras/{WEST_GATE}/picture-health/no-fault", json={"fault_id": fault["id"]})
        assert (denied.status_code, denied.json()["faults"]) == (200, [])
        assert (await client.get(f"{API}/picture-health")).json()["false_fault_rate"] == 1.0
        renewed = await client.post(f"{API}/cameras/{WEST_GATE}/picture-health/reference")
        assert renewed.json()["reference_pictures"] == 0


async def test_why_nothing_is_examined_is_said_in_words(house: WebHouse, tmp_path: Path) -> None:
    (await furnish(house, tmp_path)).problem = "picture.no_extra"
    async with house.client("li", **{"Accept-Language": "en"}) as client:
        overview = (await client.get(f"{API}/picture-health")).json()
        assert "tocsin[picture]" in overview["problem_words"]
        assert overview["cameras"] > 0
    async with house.client("installer", **{"Accept-Language": "en"}) as client:
        refused = await client.post(f"{API}/cameras/{WEST_GATE}/picture-health/check")
        assert refused.status_code == 409
        assert "tocsin[picture]" in refused.text
