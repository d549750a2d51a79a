"""The page of `medgen view` in a real browser: keys, marks, drops, many frames, for everyone.

It needs Chromium or Chrome (``apt-get install chromium``), or the path of one in MEDGEN_TEST_BROWSER; none is downloaded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browsers import PATIENCE, barriers, launched
from playwright.sync_api import Browser, Page, Route, expect
from untrained import make_frames, make_run

from medgen import api

MANY = 120


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two runs that were never trained, and the page on which they look at many frames of one file."""
    folder = tmp_path_factory.mktemp("view")
    frames = make_frames(folder / "frames")
    runs = [make_run(frames, folder / "run").folder, make_run(frames, folder / "<b>run2").folder]
    np.save(folder / "many.npy", np.random.default_rng(0).integers(0, 255, (MANY, 32, 32, 3), np.uint8))
    page = api.view(runs, folder / "many.npy", marks=folder / "marks.csv", device="cpu")
    thread = threading.Thread(target=page.run, args=(False,))
    thread.start()
    yield SimpleNamespace(address=page.address, folder=folder, marks=folder / "marks.csv")
    page.stop()
    thread.join(20)


def opened(browser: Browser, world: Any, **options: Any) -> tuple[Page, list[str]]:
    """Return the page with a frame on it, and what goes wrong: messages, errors, requests to anything but itself."""
    page, wrong = browser.new_page(**options), []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    own = ("data:", f"blob:{world.address.partition('/view')[0]}", world.address.partition("#")[0])
    page.on("request", lambda request: request.url.startswith(own) or wrong.append(request.url))
    page.goto(world.address)
    expect(page.locator("#said")).to_contain_text("Frame 1 of", timeout=PATIENCE)
    return page, wrong


@pytest.fixture(scope="module")
def kept(browser: Browser, world: Any) -> Iterator[Page]:
    """One page for all tests that leave it as they found it; nothing may have gone wrong on it at the end."""
    shown, wrong = opened(browser, world, viewport={"width": 1280, "height": 900})
    yield shown
    assert wrong == []


@pytest.fixture
def page(kept: Page) -> Page:
    kept.focus("#list")
    kept.keyboard.press("Home")
    expect(kept.locator("#title")).to_contain_text("Frame 1 of", timeout=PATIENCE)
    expect(kept.locator("#cards canvas").first).to_be_attached(timeout=PATIENCE)
    return kept


def test_it_says_frame_score_and_decision_to_who_cannot_see_it(page: Page) -> None:
    said = page.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    words = said.inner_text()
    assert (
        words.startswith("Frame 1 of 120: many.npy#0. run: score ")
        and "<b>run2: score " in words
        and "% of normal frames" in words
    )


def test_keys_go_through_the_frames(page: Page) -> None:
    for key, number in (("ArrowDown", 2), ("j", 3), ("ArrowRight", 4), ("k", 3), ("ArrowUp", 2), ("End", 120), ("Home", 1)):
        page.keyboard.press(key)
        expect(page.locator("#title")).to_contain_text(f"Frame {number} of 120", timeout=PATIENCE)


def test_nothing_of_the_frame_before_stands_under_the_name_of_one_that_is_waited_for(page: Page) -> None:
    held: list[Route] = []
    page.route("**/data/frames/1", lambda route: held.append(route))
    page.keyboard.press("j")
    expect(page.locator("#title")).to_contain_text("Frame 2 of 120", timeout=PATIENCE)
    expect(page.locator("#waiting")).to_be_visible(timeout=PATIENCE)
    for shown in ("#whole", "#cards"):
        expect(page.locator(shown)).to_be_hidden(timeout=PATIENCE)
    held.pop().continue_()
    for shown in ("#whole", "#cards"):
        expect(page.locator(shown)).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#waiting")).to_be_hidden(timeout=PATIENCE)
    page.unroute("**/data/frames/1")


def test_a_mark_asks_for_the_reader_first_and_is_then_written_by_key(page: Page, world: Any) -> None:
    page.keyboard.press("m")
    expect(page.locator("#problem")).to_contain_text("write yours above first", timeout=PATIENCE)
    page.keyboard.type("Dr Iris")
    page.keyboard.press("Enter")
    page.keyboard.press("m")
    expect(page.locator("#marked")).to_contain_text("Marked by Dr Iris", timeout=PATIENCE)
    page.keyboard.press("n")
    page.keyboard.type("=m j k")
    page.keyboard.press("Enter")
    expect(page.locator("#marked")).to_contain_text("=m j k", timeout=PATIENCE)
    assert pd.read_csv(world.marks).to_dict("records")[0] | {"marked_at": ""} == {
        "path": "many.npy#0", "reader": "Dr Iris", "marked_at": "", "note": "'=m j k"
    }  # fmt: skip
    page.keyboard.press("m")
    expect(page.locator("#marked")).to_have_text("", timeout=PATIENCE)
    assert len(pd.read_csv(world.marks)) == 0


def test_keys_move_the_threshold_and_less_of_the_tissue_reaches_it(page: Page) -> None:
    level = page.locator(".level").first
    share = lambda: float(level.inner_text().split()[0])  # noqa: E731
    page.fill("#level", "0")
    page.keyboard.press("-")
    assert page.locator("#level").input_value() == "0" and (all_of_it := share()) == 100
    page.fill("#level", "40")
    page.keyboard.press("+")
    assert page.locator("#level").input_value() == "42" and share() < all_of_it


def test_keys_switch_what_is_shown(page: Page) -> None:
    drawn = "document.querySelector('#cards canvas').toDataURL()"
    page.fill("#level", "0")
    page.keyboard.press("-")
    before = page.evaluate(drawn)
    page.keyboard.press("h")
    assert page.evaluate(drawn) != before and page.locator("[data-what=heat]").get_attribute("aria-pressed") == "false"
    page.keyboard.press("r")
    expect(page.locator(".drawn").first).to_be_hidden(timeout=PATIENCE)
    page.keyboard.press("f")
    expect(page.locator("#box")).to_be_hidden(timeout=PATIENCE)
    for key in "hrf":
        page.keyboard.press(key)
    expect(page.locator("#box")).to_be_visible(timeout=PATIENCE)


def test_letters_are_no_keys_where_the_reader_turns_them_off(page: Page) -> None:
    page.keyboard.press("?")
    page.uncheck("#keys")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("h")
    assert page.locator("#title").inner_text().startswith("Frame 1 of")
    assert page.locator("[data-what=heat]").get_attribute("aria-pressed") == "true"
    page.evaluate("document.getElementById('keys').checked = true")


def test_of_many_frames_only_the_rows_in_sight_exist(page: Page) -> None:
    page.evaluate("document.getElementById('list').scrollTop = 60 * 76")
    expect(page.locator(".row", has_text="many.npy#63")).to_be_visible(timeout=PATIENCE)
    assert page.locator(".row").count() < 30
    assert page.locator(".row").first.get_attribute("aria-setsize") == "120"
    expect(page.locator(".row img").first).to_be_visible(timeout=PATIENCE)


def test_frames_are_sorted_by_the_score_of_a_run(page: Page) -> None:
    expect(page.locator("#progress")).to_contain_text("120 scored", timeout=PATIENCE)
    page.select_option("#order", label="score of run, highest first")
    scores = page.eval_on_selector_all(
        ".row", "rows => rows.map((row) => parseFloat(row.querySelector('.score span').innerText))"
    )
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1]


def test_the_nearest_training_frames_are_shown(page: Page) -> None:
    page.locator(".card summary").first.click()
    expect(page.locator(".near img")).to_have_count(4, timeout=PATIENCE)
    expect(page.locator(".card details").first).to_contain_text("The nearest of 8", timeout=PATIENCE)


def test_frames_that_are_dropped_join_the_list(browser: Browser, world: Any, tmp_path: Path) -> None:
    shown, wrong = opened(browser, world)
    before = int(shown.locator("#progress").inner_text().split()[0])
    (tmp_path / "a <b>.png").write_bytes((world.folder / "frames/test/bad/00.png").read_bytes())
    (tmp_path / "letter.docx").write_text("text")
    shown.locator("#drop summary").click()
    shown.set_input_files("#files", [tmp_path / "a <b>.png", tmp_path / "letter.docx"])
    expect(shown.locator("#dropped")).to_contain_text("1 frame added from 2 files; letter.docx: suffix", timeout=PATIENCE)
    expect(shown.locator("#progress")).to_contain_text(f"{before + 1} frames; {before + 1} scored", timeout=PATIENCE)
    shown.keyboard.press("Escape")
    assert [line for line in wrong if "422" not in line] == []
    shown.close()


def test_frames_that_cannot_be_scored_are_counted_apart(browser: Browser, world: Any, tmp_path: Path) -> None:
    shown, _ = opened(browser, world)
    before = int(shown.locator("#progress").inner_text().split()[0])
    (tmp_path / "half.png").write_bytes((world.folder / "frames/test/bad/00.png").read_bytes()[:200])
    shown.locator("#drop summary").click()
    shown.set_input_files("#files", [tmp_path / "half.png"])
    told = f"{before + 1} frames; {before} scored, 1 without a score"
    expect(shown.locator("#progress")).to_contain_text(told, timeout=PATIENCE)
    shown.close()


def test_a_reload_keeps_the_frame_the_reader_and_the_colours(browser: Browser, world: Any) -> None:
    shown, wrong = opened(browser, world)
    shown.fill("#reader", "Dr Ada")
    shown.select_option("#theme", "dark")
    shown.keyboard.press("Escape")
    shown.focus("#list")
    shown.keyboard.press("PageDown")
    expect(shown.locator("#said")).to_contain_text("Frame 11 of", timeout=PATIENCE)
    shown.reload()
    expect(shown.locator("#said")).to_contain_text("Frame 11 of", timeout=PATIENCE)
    assert (shown.input_value("#reader"), shown.input_value("#theme"), wrong) == ("Dr Ada", "dark", [])
    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"
    shown.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1600), ("dark", 220)])
def test_axe_finds_no_barrier_and_the_page_fits(browser: Browser, world: Any, scheme: Any, width: int) -> None:
    shown, _ = opened(browser, world, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    shown.locator(".card summary").first.click()
    expect(shown.locator(".near img")).to_have_count(4, timeout=PATIENCE)
    wrong, kept = barriers(shown)
    assert wrong == [] and kept > 30
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.close()


def test_a_switch_takes_the_colours_that_the_system_would(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.select_option("#theme", "dark")
    switched = page.evaluate(paper)
    page.select_option("#theme", "")
    page.emulate_media(color_scheme="dark")
    assert light == "rgb(255, 255, 255)" and switched == page.evaluate(paper) == "rgb(18, 22, 27)"
    page.emulate_media(color_scheme="light")


def test_a_page_without_its_token_says_where_the_right_address_stands(browser: Browser, world: Any) -> None:
    shown = browser.new_page()
    shown.goto(world.address.partition("#")[0])
    expect(shown.locator("#problem")).to_contain_text("open the address that medgen view printed", timeout=PATIENCE)
    shown.close()
