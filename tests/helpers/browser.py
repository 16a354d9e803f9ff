"""Debian's Chromium, driven as a reader uses a site."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip
CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Chrome]:
    """Start the browser with a profile of its own."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    driver = shutil.which("chromedriver")
    assert driver is not None, "apt install chromium chromium-driver"
    options = Options()
    with tempfile.TemporaryDirectory() as profile:
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for left in (2, 1, 0):  # a busy machine may not start it in time
            try:
                chrome = Chrome(service=Service(driver), options=options)
                break
            except WebDriverException:
                if not left:
                    raise
        chrome.set_script_timeout(300)
        try:
            yield chrome
        finally:
            chrome.quit()


class Page:
    """A page in the browser, on a screen of a size."""

    def __init__(
        self, browser: Chrome, path: Path, *, width: int = 1400, height: int = 1000, dark: bool = False
    ) -> None:
        self.browser = browser
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        mode = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [mode]})
        browser.get(path.resolve().as_uri())
        self.until("document.readyState === 'complete'")  # on a busy machine, the driver may answer earlier

    def script(self, text: str, *arguments: Any) -> Any:
        return self.browser.execute_script(text, *arguments)

    def until(self, condition: str) -> Any:
        """Waits until a script gives something true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 300).until(lambda _: self.script(f"return {condition}"))

    def search(self, words: str) -> None:
        """Search samples, in one event: the page searches 150 ms after the last one, and keys may take longer."""
        self.script(
            "const box = document.getElementById('search'); box.value = arguments[0]; box.dispatchEvent(new Event('input'))",
            words,
        )

    def press(self, *keys: str) -> None:
        """Press keys, where the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        (found,) = self.all(selector)
        return found

    def rows(self) -> list[str]:
        return [row.text for row in self.all("#leaderboard tbody tr") if row.is_displayed()]

    def problems(self) -> list[str]:
        """Return what bars readers from the page: contrast, names, headings, targets, scrolling."""
        return list(self.script(CHECKS))

    def errors(self) -> list[Any]:
        return list(self.browser.get_log("browser"))
