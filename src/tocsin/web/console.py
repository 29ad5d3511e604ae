"""The built console from `web/static`: hashed files for ever, the page itself always fresh."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tocsin.base.errors import ErrorCode, TocsinError

IMMUTABLE = "public, max-age=31536000, immutable"
FRESH = "no-cache"
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".woff2": "font/woff2",
    ".geojson": "application/geo+json",
}


class Console:
    """Serves files of one folder and nothing outside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def serve(self, request: Request) -> Response:
        """Return the file of a path, or the page: the console routes in the browser. Errors: NOT_FOUND."""
        path = request.path_params["path"]
        found = await asyncio.to_thread(self._find, path)
        if found is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no file {path}"[:200])
        is_hashed = found.parent.name == "assets" and found.parent.parent == self._folder
        return FileResponse(
            found,
            media_type=_TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream",
            headers={"Cache-Control": IMMUTABLE if is_hashed else FRESH},
        )

    def _find(self, path: str) -> Path | None:
        if "\0" in path or any(part.startswith(".") for part in path.split("/")):
            return None
        try:
            asked = (self._folder / path).resolve()
            if asked.is_relative_to(self._folder) and asked.is_file():
                return asked
        except OSError:  # a name longer than the system takes
            return None
        page = self._folder / "index.html"
        is_file_name = "." in path.rpartition("/")[2]
        return page if not is_file_name and page.is_file() else None
