"""Short texts shown to people, in English and Chinese, kept beside the code that says them."""

from __future__ import annotations

from collections.abc import Mapping


class Words:
    """A table of message keys; parameters are written `{name}`."""

    def __init__(self, table: Mapping[str, tuple[str, str]]) -> None:
        self._table = dict(table)

    def text(self, key: str, language: str, params: Mapping[str, object] | None = None) -> str:
        """Return the text of `key` in `zh` or `en`; an unknown key comes back as itself, so that nothing is hidden."""
        pair = self._table.get(key)
        if pair is None:
            return key
        template = pair[1] if language.startswith("zh") else pair[0]
        try:
            return template.format_map(dict(params or {}))
        except (KeyError, IndexError, ValueError):
            return template

    def keys(self) -> frozenset[str]:
        """Return every key."""
        return frozenset(self._table)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def merged(self, *others: Words) -> Words:
        """Return one table of this and `others`."""
        table = dict(self._table)
        for other in others:
            table.update(other._table)
        return Words(table)
