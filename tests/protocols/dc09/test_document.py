"""The protocol pages name tests and modules that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ["dc09.md", "sia-and-contact-id.md", "reception.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_test_a_page_names_exists(page):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/protocols" / page).read_text("utf-8"))
    assert len(named) >= 10
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("page", PAGES)
def test_every_module_a_page_names_exists(page):
    for path in re.findall(
        r"`(?:src/tocsin/)?((?:protocols|gateways|sim)/[\w/]+\.py)`",
        (ROOT / "docs/protocols" / page).read_text("utf-8"),
    ):
        assert (ROOT / "src/tocsin" / path).is_file(), path


def test_the_pages_give_the_true_number_of_codes():
    from tocsin.protocols.contact_id.codes import CODES as CID_CODES
    from tocsin.protocols.sia_codes.codes import CODES as SIA_CODES

    text = (ROOT / "docs/protocols/sia-and-contact-id.md").read_text("utf-8")
    assert f"{len(CID_CODES)} codes are listed" in text
    assert f"{len(SIA_CODES)} codes are listed" in text
