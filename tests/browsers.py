"""An installed browser for tests of pages: Chromium or Chrome, or the path of one in MEDGEN_TEST_BROWSER; none is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 180_000  # milliseconds, as machines may be busy
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a browser, or skip the test where none is installed."""
    path = os.environ.get("MEDGEN_TEST_BROWSER") or next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no browser is installed: apt-get install chromium, or name one in MEDGEN_TEST_BROWSER")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS, timeout=PATIENCE)
        yield running
        running.close()


def barriers(page: Page) -> tuple[list[tuple[str, list[str]]], int]:
    """Return what axe finds wrong, each rule with the elements, and how many rules are kept."""
    page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    # Of what is in order, the rules alone are asked for: to name each element of it takes twice as long as to look at it.
    found: dict[str, Any] = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]], len(found["passes"])
