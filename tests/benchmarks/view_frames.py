"""How `medgen view` copes with many frames: time to the first picture, memory, and scrolling, in an installed Chromium.

python tests/benchmarks/view_frames.py [FRAMES]

FRAMES (20,000) small frames, as `memory.py` writes them, lie in a folder; `vae` at 32 pixels looks at them. Prints as JSON:
seconds from the command to its address, from opening the page to its list and to the pictures of the first frame; the median and
the longest of 100 steps to the next frame by key, from the key to its pictures; milliseconds between two pictures of the screen
while the list is scrolled from one end to the other within 4 seconds, and how many rows exist then; memory of the program that
is no file's, when the page is open and when all is scored; that of the page's own objects; frames scored a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from memory import trained, write_frames
from playwright.sync_api import Page, sync_playwright
from usage import arguments

STEPS = 100
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--enable-precise-memory-info"]
SCROLL = """async () => {
  const list = document.getElementById("list");
  const far = list.scrollHeight - list.clientHeight;
  const times = [];
  const began = performance.now();
  let last = began, rows = 0;
  await new Promise((done) => {
    const step = (now) => {
      times.push(now - last);
      last = now;
      rows = Math.max(rows, document.querySelectorAll(".row").length);
      list.scrollTop = far * Math.min(1, (now - began) / 4000);
      if (now - began < 4000) requestAnimationFrame(step); else done();
    };
    requestAnimationFrame(step);
  });
  return { times: times.slice(1), rows };
}"""


def memory_of(process: int) -> float:
    """Return megabytes of a process that belong to no file."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024, 1)


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds something takes."""
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 3)


def scored(page: Page) -> int:
    """Return how many frames the page says are scored."""
    return int(page.locator("#progress").inner_text().split(";")[1].split()[0])


def step(page: Page, number: int) -> None:
    """Go to the next frame and wait for its pictures."""
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"document.getElementById('said').textContent.startsWith('Frame {number} of')")


def look(page: Page, address: str, process: int, count: int) -> dict[str, Any]:
    """Return what is measured on the page."""
    page.set_default_timeout(3_600_000)
    found: dict[str, Any] = {"to_list_s": timed(lambda: (page.goto(address), page.wait_for_selector(".row")))}
    found["to_first_picture_s"] = round(found["to_list_s"] + timed(lambda: page.wait_for_selector("#cards canvas")), 3)
    found["memory_open_mb"] = memory_of(process)
    page.wait_for_function("document.getElementById('said').textContent.startsWith('Frame 1 of')")
    steps = [timed(lambda number=number: step(page, number)) for number in range(2, STEPS + 2)]  # type: ignore[misc]
    found |= {"step_median_s": round(float(np.median(steps)), 3), "step_longest_s": max(steps)}
    page.wait_for_function(f"document.getElementById('progress').textContent.startsWith('{count} frames;')")
    scrolled = page.evaluate(SCROLL)
    gaps = np.array(scrolled["times"])
    found["scrolling"] = {
        "gap_median_ms": round(float(np.median(gaps)), 1),
        "gap_95_ms": round(float(np.percentile(gaps, 95)), 1),
        "gap_longest_ms": round(float(gaps.max()), 1),
        "rows": scrolled["rows"],
    }
    before, began = scored(page), time.perf_counter()
    page.wait_for_function(f"document.getElementById('progress').textContent === '{count} frames; {count} scored'")
    if count > before:
        found["scored_per_s"] = round((count - before) / (time.perf_counter() - began), 1)
    found["memory_scored_mb"] = memory_of(process)
    found["page_objects_mb"] = round(page.evaluate("performance.memory.usedJSHeapSize") / (1 << 20), 1)
    return found


def main(count: int) -> None:
    """Write frames, start the command, look, and print what was measured."""
    browser_path = which("chromium") or which("google-chrome")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run, frames = trained(folder), write_frames(folder / "frames", count)
        words = ["view", str(run), str(frames), "--no-browser", "--device", "cpu", "--marks", str(folder / "marks.csv")]
        program = f"import sys; from medgen_cli.main import main; main({words!r})"
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[1]
            result = {"frames": count, "to_address_s": round(time.perf_counter() - began, 2)}
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
                page = browser.new_page(viewport={"width": 1400, "height": 950}, bypass_csp=True)
                result |= look(page, address, process.pid, count)
                browser.close()
        finally:
            process.terminate()
            process.wait()
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    given = arguments(__doc__)
    main(int(given[0]) if given else 20_000)
