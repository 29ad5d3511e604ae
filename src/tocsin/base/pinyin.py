"""What a search compares: names as written, and how they are said in pinyin, in full and by initials.

第一小学 is found by 小学, xiaoxue, diyixiaoxue and dyxx. Characters with several readings are read by the word they
stand in (重庆 chongqing); where their usual reading alone differs (zhongqing), that is kept too.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

MAX_CHARACTERS: Final = 1_000
MAX_WORDS: Final = 8


def folded(text: str) -> str:
    """Return text as it is compared: full-width as half-width, capitals as small, one blank between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def search_text(*texts: str) -> str:
    """Return what a thing with these names, addresses and ids is found by; at most `MAX_CHARACTERS`."""
    parts = [folded(text) for text in texts if text]
    spoken = [word for part in parts for word in _spoken(part)]
    return " ".join(dict.fromkeys([*parts, *spoken]))[:MAX_CHARACTERS]


def search_words(text: str) -> list[str]:
    """Return the words a search text is taken apart into; all must be found, those past `MAX_WORDS` are left out."""
    return folded(text).split()[:MAX_WORDS]


def read_dictionary() -> None:
    """Read the dictionary now, on a thread of the caller: the first time it takes a third of a second."""
    search_text("中")


@lru_cache(maxsize=8_192)
def _spoken(part: str) -> tuple[str, ...]:
    """Return the readings of a folded text, in full and as initials; nothing when it holds no Chinese."""
    if not any("\u3400" <= character <= "\u9fff" for character in part):
        return ()
    from pypinyin import lazy_pinyin  # here: its dictionary takes a tenth of a second that a start can do without

    found: list[str] = []
    for word in part.split():
        in_words = lazy_pinyin(word)
        alone = [reading for character in word for reading in _alone(character)]
        for readings in (in_words, alone):
            found += ["".join(readings), "".join(reading[0] for reading in readings if reading)]
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=8_192)
def _alone(character: str) -> tuple[str, ...]:
    """Return the usual reading of a single character: a town's names are made of a few hundred."""
    from pypinyin import lazy_pinyin

    return tuple(lazy_pinyin(character))
