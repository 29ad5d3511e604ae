"""Layouts of the wall in the store, on SQLite and PostgreSQL alike: kept, and seen where they are shared alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.house import NORTH, PEOPLE, WEST_GATE, YARD, build_town
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.domain.layouts import LayoutForm, LayoutService
from tocsin.storage.store import AnyStore

LI, WANG, CHIEF, SOUTH = PEOPLE.li, PEOPLE.wang, PEOPLE.chief, PEOPLE.south
GATES = LayoutForm("城门", 4, [[WEST_GATE, YARD], [YARD], [], [WEST_GATE]], 15)
PAGES = replace(GATES, name="Pages", places=[[WEST_GATE, "", YARD], [YARD]], is_together=True)


@pytest.fixture
async def layouts(store: AnyStore) -> LayoutService:
    await store.run(build_town)
    return LayoutService(store)


async def _refused(code: ErrorCode, doing: object) -> None:
    with pytest.raises(TocsinError) as refused:
        await doing  # type: ignore[misc]
    assert refused.value.code is code


async def _seen(layouts: LayoutService, actor: Actor) -> list[str]:
    return [one.name for one in await layouts.find(actor=actor)]


async def test_a_layout_comes_back_as_it_was_kept(layouts: LayoutService) -> None:
    for form in (GATES, PAGES):
        made = await layouts.add(form, actor=LI)
        (found,) = [one for one in await layouts.find(actor=LI) if one.id == made.id]
        assert found == made
        assert [list(place) for place in found.places] == [list(place) for place in form.places]
        assert (found.is_together, found.dwell_s, found.cameras) == (form.is_together, 15, (WEST_GATE, YARD))
    assert await _seen(layouts, WANG) == []


async def test_a_changed_layout_has_a_new_version_and_the_old_one_is_refused(layouts: LayoutService) -> None:
    made = await layouts.add(GATES, actor=LI)
    changed = await layouts.change(made.id, replace(PAGES, name="城门"), actor=LI, version=1)
    assert (changed.version, changed.is_together) == (2, True)
    await _refused(ErrorCode.CONFLICT, layouts.change(made.id, GATES, actor=LI, version=1))
    await _refused(ErrorCode.NOT_FOUND, layouts.change(made.id, GATES, actor=WANG, version=2))
    await _refused(ErrorCode.NOT_FOUND, layouts.remove(made.id, actor=WANG))
    await layouts.remove(made.id, actor=LI)
    assert await _seen(layouts, LI) == []


async def test_a_layout_is_shared_with_the_jurisdiction_that_was_named_and_not_beside_it(
    layouts: LayoutService,
) -> None:
    shared = replace(GATES, is_shared=True, jurisdiction_id="j-north")
    await _refused(ErrorCode.FORBIDDEN, layouts.add(shared, actor=LI))
    await _refused(ErrorCode.NOT_FOUND, layouts.add(replace(shared, jurisdiction_id="j-nowhere"), actor=CHIEF))
    made = await layouts.add(shared, actor=CHIEF)
    assert (made.jurisdiction_code, made.jurisdiction_id) == (NORTH, "j-north")
    assert await _seen(layouts, LI) == ["城门"]
    assert await _seen(layouts, SOUTH) == []
    everywhere = replace(shared, jurisdiction_id="j-city", name="City")
    await layouts.change(made.id, everywhere, actor=CHIEF, version=1)
    assert await _seen(layouts, SOUTH) == ["City"]
    await layouts.change(made.id, replace(everywhere, is_shared=False), actor=CHIEF, version=2)
    assert await _seen(layouts, LI) == []


async def test_an_empty_place_belongs_to_pages_alone(layouts: LayoutService) -> None:
    await _refused(ErrorCode.INVALID, layouts.add(replace(PAGES, is_together=False), actor=LI))
