"""One seat of the control room: a page of the console, what a person sees on it, and what the browser noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, WebSocket, expect

from tests.browser.town import Person, Town, until

NOTE_TONES = """
(() => {
  window.__tones = [];
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (at) {
    window.__tones.push({ at: performance.now(), state: this.context.state });
    return start.call(this, at);
  };
})();
"""
"""Notes each tone that the page hands to a running audio context: a test has no ears."""

LINE_NOTES = ("Failed to load resource", "WebSocket connection to")
"""The browser's own notes about refused requests and broken lines: what the page makes of them is what is tested."""

AXE = Path(__file__).parents[2] / "console" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """async (onlyColours) => {
  const every = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const rules = onlyColours ? ['color-contrast', 'link-in-text-block'] : every;
  const found = await axe.run(document, { runOnly: rules, resultTypes: ['violations'] });
  return found.violations.flatMap((one) => one.nodes.map((node) => {
    const why = [...node.any, ...node.all, ...node.none].map((check) => check.message).join('; ');
    return `${one.id}: ${node.target.join(' ')}: ${why}`;
  }));
}"""
VIDEO = "[data-keys=card] figure[data-phase] video"
PROGRESS = """(video) => ({
  time: video.currentTime,
  frames: video.getVideoPlaybackQuality().totalVideoFrames,
  width: video.videoWidth,
  paused: video.paused,
})"""


@dataclass
class Seat:
    """A signed-in (or not yet signed-in) page."""

    town: Town
    context: BrowserContext
    page: Page
    language: str
    urls: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note every request and every error from now on."""

        def _request(request: Request) -> None:
            self.urls.append(request.url)

        def _socket(socket: WebSocket) -> None:
            self.urls.append(socket.url)

        def _console(message: ConsoleMessage) -> None:
            if message.type == "error" and not message.text.startswith(LINE_NOTES):
                self.errors.append(message.text)

        self.page.on("request", _request)
        self.page.on("websocket", _socket)
        self.page.on("console", _console)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    def strangers(self) -> list[str]:
        """Return the addresses asked for that are not this house's own."""
        return [url for url in self.urls if urlsplit(url).scheme not in ("data", "blob") and not self._is_ours(url)]

    def _is_ours(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.hostname == "127.0.0.1" and parts.scheme in ("http", "ws")

    def violations(self, *, only_colours: bool = False) -> list[str]:
        """Return what axe finds wrong on the page as it stands, or only what depends on its colours."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = self.page.evaluate(RUN_AXE, only_colours)
        return found

    # --- signing in -------------------------------------------------------------------------------------------------

    def sign_in(self, person: Person | None = None, path: str = "/") -> Seat:
        """Open the console, sign in, and wait for the shell."""
        who = person or self.town.person
        self.page.goto(self.town.url + path)
        self.page.locator("input[name=username]").fill(who.username)
        assert self.page.evaluate("document.documentElement.lang") == self.language  # the browser's own, unasked
        self.page.locator(
            f"button[lang={self.language}]"
        ).click()  # chosen at this desk: not what the account last used
        self.page.locator("input[name=password]").fill(who.password)
        self.page.keyboard.press("Enter")
        self.page.locator("main#main").wait_for()
        return self

    def visit(self, path: str) -> None:
        """Go to a page of the console as a link would, without loading the console again."""
        self.page.evaluate(
            "(to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }", path
        )
        expect(self.page.locator("main#main h1").first).to_be_visible()

    def cut(self) -> None:
        """Take the network from this page."""
        self.context.set_offline(True)

    def mend(self) -> None:
        """Give the network back."""
        self.context.set_offline(False)

    # --- the room ---------------------------------------------------------------------------------------------------

    @property
    def card(self) -> Locator:
        """The work card."""
        return self.page.locator("section[data-keys=card]")

    def row(self, incident_id: str) -> Locator:
        """The row of an incident in the queue."""
        return self.page.locator(f'[data-keys=queue] [data-incident="{incident_id}"]')

    def tab(self, name: str) -> Locator:
        """A tab of the queue: mine, unclaimed, parked, all."""
        return self.page.locator(f"#tab-{name}")

    def picture(self, phase: str = "live") -> Locator:
        """The pictures of the card in a phase."""
        return self.card.locator(f"figure[data-phase={phase}]")

    def button(self, name: str) -> Locator:
        """A button of the card by the beginning of its name (its key follows)."""
        return self.card.get_by_role("button", name=name)

    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("dialog")

    def toast(self, words: str) -> Locator:
        """A short notice."""
        return self.page.locator(".toasts").get_by_text(words)

    def expect_advancing(self, at_least_frames: int = 10, timeout_s: float = 20.0) -> None:
        """Fail unless the first picture plays: its time and its decoded frames both grow."""
        first = self._progress(timeout_s)

        def _has_grown() -> dict[str, Any] | None:
            now = self._progress(timeout_s)
            grown = now["time"] > first["time"] + 0.3 and now["frames"] >= first["frames"] + at_least_frames
            return now if grown else None

        now = until(_has_grown, timeout_s)
        assert now is not None
        assert now["width"] > 0
        assert not now["paused"]

    def _progress(self, timeout_s: float) -> dict[str, Any]:
        video = self.page.locator(VIDEO).first
        progress: dict[str, Any] = video.evaluate(PROGRESS, timeout=timeout_s * 1000)
        return progress

    def tones(self) -> list[dict[str, Any]]:
        """Return the tones that were played so far."""
        played: list[dict[str, Any]] = self.page.evaluate("window.__tones")
        return [tone for tone in played if tone["state"] == "running"]

    def expect_silence(self, for_s: float) -> None:
        """Fail when a tone begins within the next seconds."""
        before = len(self.tones())
        self.page.wait_for_timeout(for_s * 1000)
        assert len(self.tones()) == before, "the alarm still sounds"

    def expect_words(self, *words: str) -> None:
        """Fail unless the page says each of these."""
        for said in words:
            expect(self.page.locator("body")).to_contain_text(said)
