"""The words of the steps: complete in both languages, and all explained in the guide."""

from __future__ import annotations

import re
from pathlib import Path

from tocsin.protocols.gb28181.timeline import WORDS

GUIDE = Path(__file__).parents[3] / "docs" / "protocols" / "gb28181.md"


def test_every_step_is_explained_in_the_guide():
    text = GUIDE.read_text(encoding="utf-8")
    missing = [key for key in sorted(WORDS.keys()) if f"`{key}`" not in text]
    assert missing == []


def test_both_languages_use_the_same_parameters():
    for key in sorted(WORDS.keys()):
        english, chinese = (set(re.findall(r"{(\w+)}", WORDS.text(key, language))) for language in ("en", "zh"))
        assert english == chinese, key


def test_chinese_texts_are_chinese():
    for key in sorted(WORDS.keys()):
        assert re.search(r"[\u4e00-\u9fff]", WORDS.text(key, "zh")), key
        assert not re.search(r"[\u4e00-\u9fff]", WORDS.text(key, "en")), key
