"""Snapshots over HTTP: asked under an open view, uploaded to an address good for one request, kept and deleted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse
from tocsin.base.errors import TocsinError
from tocsin.domain.alarm_snapshots import MAX_CAMERAS, MAX_WAITING, AlarmSnapshots
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.snapshot_reach import Reach
from tocsin.domain.snapshots import SnapshotService
from tocsin.protocols.gb28181.snapshot import picture_in
from tocsin.sim.camera_snapshots import HOSTILE_NAME, picture
from tocsin.storage.snapshots import SnapshotFolder

API = "/api/v1"
JPEG = {"Content-Type": "image/jpeg"}


class Line:
    """Remembers what was asked, and the records that stood then."""

    def __init__(self, house: WebHouse) -> None:
        self.house = house
        self.problem = ""
        self.outcome = CommandOutcome.DONE
        self.asked: list[tuple[str, int, str]] = []
        self.recorded_before = ""
        self.intervals: list[int] = []

    def snapshot_problem(self, channel: object) -> str:
        return self.problem

    async def ask_snapshots(
        self, channel: object, session: str, count: int, interval_s: int, url: str
    ) -> CommandOutcome:
        self.asked.append((session, count, url))
        self.intervals.append(interval_s)
        records = await self.house.store.read(lambda tx: list(tx.audit.all()))
        self.recorded_before = records[-1].action
        return self.outcome


class Snapshots:
    def __init__(self, house: WebHouse) -> None:
        self.house, self.line = house, Line(house)
        self.folder = house.heads_path.parent / "snapshots"
        self.service = house.services.snapshots = SnapshotService(
            house.store,
            house.clock,
            house.services.views._channels,
            self.line,
            SnapshotFolder(self.folder, picture_in),
            upload_url="http://127.0.0.1",
            reach=Reach("http://127.0.0.1", self, frozenset({"127.0.0.1"}), is_set=False),
            keep_days=2,
        )
        self.alarms = AlarmSnapshots(house.store, self.service)
        self.hosts = ["127.0.0.1"]

    def peer_of(self, channel: object) -> str:
        return self.hosts[0]

    def peers(self) -> list[str]:
        return self.hosts

    async def view(self, who: str = "li") -> str:
        async with self.house.client(who) as client:
            given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 30}
            return str((await client.post(f"{API}/views", json=given)).json()["id"])

    async def ask(self, view_id: str, count: int = 1, who: str = "li") -> Any:
        async with self.house.client(who) as client:
            return await client.post(f"{API}/cameras/{WEST_GATE}/snapshots", json={"view_id": view_id, "count": count})

    async def send(self, data: bytes, tail: str = "", method: str = "PUT", **more: Any) -> int:
        async with self.house.client() as client:
            given = more or {"content": data, "headers": JPEG}
            return (await client.request(method, self.line.asked[-1][2] + tail, **given)).status_code

    async def get(self, path: str, who: str = "li") -> Any:
        async with self.house.client(who) as client:
            return await client.get(API + path)

    async def actions(self) -> list[str]:
        return [one.action for one in await self.house.store.read(lambda tx: list(tx.audit.all()))]


@pytest.fixture
def made(house: WebHouse) -> Snapshots:
    return Snapshots(house)


async def test_pictures_are_asked_for_uploaded_kept_and_fetched(made: Snapshots) -> None:
    view_id = await made.view()
    asked = await made.ask(view_id, 2)
    assert (asked.status_code, made.line.recorded_before) == (202, "snapshot.asked")
    first, second = picture("1"), picture("2")
    assert await made.send(first) == 200
    form = {"files": {"file": (HOSTILE_NAME, second, "image/jpeg")}}
    assert await made.send(b"", "/%2e%2e%2f%2e%2e%2fevil.jpg", "POST", **form) == 200
    state = (await made.get(f"/snapshot-requests/{asked.json()['id']}")).json()
    assert (state["state"], len(state["snapshots"])) == ("whole", 2)
    assert sorted(path.name for path in made.folder.iterdir()) == sorted(f"{one}.jpg" for one in state["snapshots"])
    kept = (await made.get(f"/snapshots?view_id={view_id}")).json()["items"]
    assert [one["sha256"] for one in kept] == [hashlib.sha256(data).hexdigest() for data in (first, second)]
    fetched = await made.get(f"/snapshots/{kept[0]['id']}/picture")
    assert (fetched.content, (await made.actions())[-1]) == (first, "snapshot.viewed")
    assert await made.send(first) == 404  # the address is used up


@pytest.mark.parametrize("tail", ["x", "AAAA"])
async def test_a_wrong_address_is_not_found_and_nothing_is_written(made: Snapshots, tail: str) -> None:
    await made.ask(await made.view())
    assert await made.send(picture("1"), tail) == 404
    assert not made.folder.exists()


async def test_an_old_address_is_not_found(made: Snapshots) -> None:
    asked = await made.ask(await made.view())
    made.house.clock.advance(121)
    assert await made.send(picture("1")) == 404
    await made.service.check()
    state = (await made.get(f"/snapshot-requests/{asked.json()['id']}")).json()
    assert (state["state"], state["reason"]) == ("failed", "snapshot.no_upload")
    assert state["words"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<html>no picture</html>", "image/jpeg"),
        (picture("1")[:40], "image/jpeg"),
        (b"--b\r\n\r\n" + picture("1"), "multipart/form-data; boundary=b"),
        (picture("1"), "multipart/form-data"),
    ],
)
async def test_what_is_no_picture_is_refused_and_leaves_nothing(made: Snapshots, data: bytes, kind: str) -> None:
    await made.ask(await made.view())
    assert await made.send(b"", content=data, headers={"Content-Type": kind}) == 422
    assert list(made.folder.iterdir()) == []


async def test_a_picture_beyond_the_limit_is_refused_and_leaves_nothing(made: Snapshots) -> None:
    await made.ask(await made.view())
    whole = picture("1")
    assert await made.send(whole[:-2] + bytes(4 * 1024 * 1024) + whole[-2:]) == 422
    assert await made.send(whole[:-2] + bytes(5 * 1024 * 1024) + whole[-2:]) == 413
    assert list(made.folder.iterdir()) == []
    assert await made.send(whole) == 200


async def test_fewer_pictures_than_asked_for_are_said(made: Snapshots) -> None:
    asked = (await made.ask(await made.view(), 3)).json()
    await made.send(picture("1"))
    assert not await made.service.finished("another device", asked["id"], 1)
    device_id = made.service._requests[asked["id"]].channel.device_id
    assert await made.service.finished(device_id, asked["id"], 1)
    state = (await made.get(f"/snapshot-requests/{asked['id']}")).json()
    assert (state["state"], state["reason"]) == ("partial", "snapshot.not_all")


async def test_without_an_open_view_of_the_camera_nothing_is_asked_or_fetched(made: Snapshots) -> None:
    view_id = await made.view()
    assert (await made.ask("none")).status_code == 404
    assert (await made.ask(view_id, who="chief")).status_code == 404
    await made.ask(view_id)
    await made.send(picture("1"))
    [kept] = (await made.get(f"/snapshots?view_id={view_id}")).json()["items"]
    assert (await made.get(f"/snapshots/{kept['id']}/picture", "chief")).status_code == 404
    async with made.house.client("li") as client:
        await client.delete(f"{API}/views/{view_id}")
    assert (await made.get(f"/snapshots/{kept['id']}/picture")).status_code == 403
    assert (await made.ask(view_id)).status_code == 403
    assert len(made.line.asked) == 1


async def test_an_older_device_is_refused_with_words_and_a_refusal_is_recorded(made: Snapshots) -> None:
    made.line.problem = "snapshot.older_edition"
    refused = await made.ask(await made.view())
    assert (refused.status_code, made.line.asked) == (409, [])
    made.line.problem, made.line.outcome = "", CommandOutcome.REFUSED
    assert (await made.ask(await made.view())).status_code == 409
    assert (await made.actions())[-1] == "snapshot.ended"


async def test_pictures_are_deleted_when_their_time_is_up_and_the_audit_says_so(made: Snapshots) -> None:
    await made.ask(await made.view())
    await made.send(picture("1"))
    made.house.clock.advance(2 * 86_400 - 1)
    await made.service.check()
    assert len(list(made.folder.iterdir())) == 1
    made.house.clock.advance(2)
    await made.service.check()
    assert (list(made.folder.iterdir()), (await made.actions())[-1]) == ([], "snapshot.deleted")


async def test_a_start_removes_what_belongs_to_no_row(made: Snapshots) -> None:
    await made.ask(await made.view())
    await made.send(picture("1"))
    for name in ("x.part", "y.jpg"):
        (made.folder / name).write_bytes(b"1")
    await made.service.start()
    assert len(list(made.folder.iterdir())) == 1


async def test_what_was_fetched_is_kept_like_what_was_uploaded_and_giving_up_is_said(made: Snapshots) -> None:
    async def body() -> Any:
        yield picture("1")

    view_id = await made.view()
    asked = (await made.ask(view_id, 2)).json()["id"]
    await made.service.fetched(asked, "image/jpeg", body())
    await made.service.give_up(asked, "snapshot.wrong_password")
    state = (await made.get(f"/snapshot-requests/{asked}")).json()
    assert (state["state"], len(state["snapshots"])) == ("partial", 1)
    assert "password" in state["words"]
    assert (await made.actions())[-2:] == ["snapshot.received", "snapshot.ended"]
    with pytest.raises(TocsinError):
        await made.service.fetched(asked, "image/jpeg", body())


async def test_a_view_without_a_picture_is_enough_and_the_interval_is_told(made: Snapshots) -> None:
    async with made.house.client("li") as client:
        given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 5, "live": False}
        view = (await client.post(f"{API}/views", json=given)).json()
        assert view["live"] == {}
        wanted = {"view_id": view["id"], "count": 2, "interval_s": 15}
        assert (await client.post(f"{API}/cameras/{WEST_GATE}/snapshots", json=wanted)).status_code == 202
        wanted["interval_s"] = 31
        assert (await client.post(f"{API}/cameras/{WEST_GATE}/snapshots", json=wanted)).status_code == 422
    assert made.line.intervals == [15]
    made.house.clock.advance(130)
    assert await made.send(picture("1")) == 200  # the time it takes is not counted against the camera


async def test_a_picture_is_seen_again_under_a_later_view_of_its_camera_and_only_by_who_took_it(
    made: Snapshots,
) -> None:
    view_id = await made.view()
    await made.ask(view_id)
    await made.send(picture("1"))
    async with made.house.client("li") as client:
        await client.delete(f"{API}/views/{view_id}")
    assert (await made.get(f"/snapshots?camera_id={WEST_GATE}")).status_code == 403
    await made.view()
    [kept] = (await made.get(f"/snapshots?camera_id={WEST_GATE}")).json()["items"]
    assert (await made.get(f"/snapshots/{kept['id']}/picture")).status_code == 200
    await made.view("chief")
    assert (await made.get(f"/snapshots?camera_id={WEST_GATE}", "chief")).json()["items"] == []
    assert (await made.get(f"/snapshots/{kept['id']}/picture", "chief")).status_code == 404


async def test_taking_a_picture_out_of_the_house_is_recorded_with_its_hash(made: Snapshots) -> None:
    await made.ask(await made.view())
    await made.send(picture("1"))
    [kept] = (await made.get(f"/snapshots?camera_id={WEST_GATE}")).json()["items"]
    taken = await made.get(f"/snapshots/{kept['id']}/file")
    assert (taken.content, taken.headers["x-sha256"]) == (picture("1"), kept["sha256"])
    assert taken.headers["content-disposition"].startswith('attachment; filename="')
    last = (await made.house.store.read(lambda tx: list(tx.audit.all())))[-1]
    assert (last.action, kept["sha256"] in last.detail) == ("snapshot.taken", True)


async def test_what_a_camera_can_do_and_what_is_in_its_way_is_said_before(made: Snapshots) -> None:
    path = f"/cameras/{WEST_GATE}/snapshot-choices"
    found = (await made.get(path)).json()
    assert (found["possible"], found["warning"], found["most"]) == (True, "", 10)
    assert (await made.get("/snapshots/reach")).json() == {"reason": "", "words": ""}
    made.hosts = ["10.0.0.9"]
    made.line.problem = "snapshot.older_edition"
    found = (await made.get(path)).json()
    assert (found["possible"], found["warning"]) == (False, "snapshot.address_unset")
    assert found["words"] != found["warning_words"] != ""
    assert (await made.get("/snapshots/reach", "auditor")).json()["reason"] == "snapshot.address_unset"


async def test_an_opened_incident_asks_its_cameras_once_as_the_houses_own_act(made: Snapshots) -> None:
    incident = await made.house.alarm()
    assert await made.alarms.take(incident["id"]) >= 1
    assert made.line.recorded_before == "snapshot.asked"
    records = await made.house.store.read(lambda tx: list(tx.audit.all()))
    asked = [one for one in records if one.action == "snapshot.asked"]
    assert {one.actor_kind for one in asked} == {"system"}
    assert all(incident["id"] in one.detail and "alarm_verification" in one.detail for one in asked)
    assert await made.send(picture("1")) == 200
    assert await made.alarms.take(incident["id"]) == 1, "the other camera is being asked still, this one again"
    [kept] = (await made.get(f"/snapshots?incident_id={incident['id']}")).json()["items"]
    assert (kept["is_by_house"], kept["view_id"], kept["incident_id"]) == (True, "", incident["id"])
    assert (await made.get(f"/snapshots/{kept['id']}/picture")).status_code == 200
    told = await made.house.store.read(lambda tx: list(tx.outbox.after(0, 1000)))
    assert [json.loads(one.data)["id"] for one in told if one.type == "snapshot.received"] == [kept["id"]]


async def test_the_house_asks_nothing_of_a_closed_incident_or_a_camera_that_cannot(made: Snapshots) -> None:
    incident = await made.house.alarm()
    made.line.problem = "snapshot.older_edition"
    assert await made.alarms.take(incident["id"]) == 0
    made.line.problem = ""
    assert await made.service.ask_for_incident("none", WEST_GATE) is None
    assert "snapshot.asked" not in await made.actions()


async def test_a_storm_of_incidents_fills_the_queue_and_no_more(made: Snapshots) -> None:
    @dataclass
    class Opened:
        subject_id: str
        type: str = "incident.opened"

    made.alarms.hear([Opened(str(number)) for number in range(MAX_WAITING + 7)])
    made.alarms.hear([Opened("x", "incident.changed")])
    assert made.alarms.passed_over == 7
    assert MAX_CAMERAS == 4
