"""The Chromium of the distribution, as the browser tests and the benches with a screen start it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser")
SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/snap/bin")
ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # a name that is asked for is not found, and seen
)


def chromium_path() -> str:
    """Return where Chromium is. Errors: RuntimeError when it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    for name in NAMES:
        if found := shutil.which(name, path=path):
            return found
    raise RuntimeError("Chromium is not installed (Debian: apt-get install chromium)")


def launch(playwright: Playwright, *arguments: str) -> Browser:
    """Start a headless Chromium."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGUMENTS, *arguments])


@contextlib.contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Run a headless Chromium until the block ends."""
    with sync_playwright() as playwright:
        browser = launch(playwright, *arguments)
        try:
            yield browser
        finally:
            browser.close()
