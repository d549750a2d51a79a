"""The page of a comparison in a real browser: offline, sorted, filtered, slid, by mouse and by keyboard, for everyone.

It needs Chromium or Chrome (``apt-get install chromium``), or the path of one in MEDGEN_TEST_BROWSER; none is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import PATIENCE, barriers, launched
from pages import HOSTILE
from playwright.sync_api import Browser, Page, expect
from studies import hostile_comparison, make_comparison

from medgen.report.markup import escape_hidden
from medgen.report.study.comparison import Comparison
from medgen.report.study.page import write_comparison

LONG = "x" * 120
pytestmark = pytest.mark.usefixtures("few_pictures", "no_comparison_pdf", "few_draws")


@pytest.fixture(scope="module")
def few_pictures() -> Iterator[None]:
    """Let a page show 24 frames at the most: to draw 120 takes longer than all the rest of it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("medgen.report.study.frame_pictures.MOST", 24)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return make_comparison(side=48)


@pytest.fixture(scope="module")
def folder(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(comparison, tmp_path_factory.mktemp("study")).parent


@pytest.fixture(scope="module")
def without_figures(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same page with nothing drawn: reading Plotly's script takes seconds, each time that a page is opened."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("medgen.report.study.page.get_plotlyjs", lambda: "const Plotly = { newPlot() {}, relayout() {} };")
        return write_comparison(comparison, tmp_path_factory.mktemp("without-figures")).parent


def open_page(browser: Browser, path: Path, **options: Any) -> tuple[Page, list[str]]:
    """Return a page and what goes wrong on it: console messages, errors, requests for anything but the page itself."""
    page, wrong = browser.new_page(**options), []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(("data:", path.as_uri())) or wrong.append(request.url))
    page.goto(path.as_uri())
    return page, wrong


def checked(browser: Browser, path: Path) -> Iterator[Page]:
    opened, wrong = open_page(browser, path, viewport={"width": 1280, "height": 900})
    yield opened
    assert wrong == []
    opened.close()


@pytest.fixture(scope="module")
def tab(browser: Browser, without_figures: Path) -> Iterator[Page]:
    yield from checked(browser, without_figures / "report.html")


@pytest.fixture
def page(tab: Page) -> Page:
    """The page without its figures, loaded again for each test."""
    tab.reload()
    return tab


@pytest.fixture(scope="module")
def with_figures(browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with its figures, opened once: no test moves anything on it but its medium, its colours and its width."""
    yield from checked(browser, folder / "report.html")


@pytest.fixture(scope="module")
def hostile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page on which each name tries to get out of its place and ends in a word without end; nothing goes wrong on it."""
    yield from checked(browser, write_comparison(hostile_comparison(LONG), tmp_path_factory.mktemp("hostile")))


def column(page: Page, table: str, place: int) -> list[str]:
    return page.eval_on_selector_all(
        f"{table} tbody tr", "(rows, place) => rows.map((row) => row.cells[place].innerText.split('\\n')[0])", place
    )


def count(page: Page) -> int:
    return int(page.locator("#count").inner_text().split()[0])


def test_it_opens_from_disk_without_a_request_or_a_complaint(with_figures: Page) -> None:
    expect(with_figures.locator(".banner")).to_be_visible()
    expect(with_figures.locator(".plot .main-svg").nth(9)).to_be_attached(timeout=PATIENCE)


def test_hostile_names_run_nothing_and_stay_text(hostile: Page) -> None:
    assert hostile.locator("img[src='x']").count() == 0
    assert escape_hidden("".join(HOSTILE)) in hostile.locator("#frame-table tbody").text_content()
    assert "<script>alert(1)" in hostile.locator("#plot-roc .legendtext").first.text_content()


def test_long_names_do_not_widen_the_page(hostile: Page) -> None:
    assert hostile.locator("#frame-table").inner_text().count(LONG) > 9
    assert hostile.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_click_sorts_the_summary_and_another_turns_it(page: Page) -> None:
    table, head = "#summary ~ .scroll table", page.locator("#summary ~ .scroll thead button", has_text="AUROC")
    head.click()
    falling = [float(value) for value in column(page, table, 1)]
    assert falling == sorted(falling, reverse=True)
    assert head.locator("..").get_attribute("aria-sort") == "descending"
    head.click()
    assert [float(value) for value in column(page, table, 1)] == falling[::-1]
    assert head.locator("..").get_attribute("aria-sort") == "ascending"


def test_what_is_missing_sorts_last_in_either_direction(page: Page) -> None:
    later = "[true, false].map((falling) => order('\u2013', '0.5', falling) > 0 && order('0.5', '\u2013', falling) < 0)"
    assert page.evaluate(later) == [True, True]


def test_times_sort_by_their_length_and_not_as_text(page: Page) -> None:
    page.locator("#summary ~ .scroll thead button", has_text="Training time").press("Enter")
    assert column(page, "#summary ~ .scroll table", 0) == ["wgan", "endovae", "patchcore", "featvae"]


def test_numbers_drawn_are_those_of_the_metrics_file(with_figures: Page, folder: Path) -> None:
    entries = json.loads((folder / "metrics.json").read_text())["entries"]
    expect(with_figures.locator("#plot-roc .main-svg").first).to_be_attached(timeout=PATIENCE)
    drawn = with_figures.evaluate(
        "document.getElementById('plot-roc').data.filter((trace) => !trace.fill).map((trace) => [...trace.y])"
    )
    assert drawn == [entry["roc"]["value"] for entry in entries]
    titles = [f"{row['name']} ({row['abnormal']})" for row in entries[0]["groups"]["size of the finding"]]
    assert with_figures.evaluate("[...document.getElementById('plot-sizes').layout.yaxis.ticktext]") == titles


def test_filters_leave_the_frames_that_were_asked_for(page: Page) -> None:
    assert count(page) == 120
    page.select_option("[name=label]", label="abnormal")
    assert count(page) == 60 and set(column(page, "#frame-table", 2)) == {"abnormal"}
    page.select_option("[name=finding]", label="polyps")
    assert count(page) == 20
    page.select_option("[name=entry]", label="wgan")
    page.select_option("[name=decision]", value="miss")
    assert 0 < count(page) < 20 and set(column(page, "#frame-table", 5)) == {"missed"}
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#count")).to_have_text("120 of 120 listed frames", timeout=PATIENCE)


def test_raw_scores_are_a_range_of_the_chosen_backend(page: Page) -> None:
    page.select_option("[name=entry]", label="endovae")
    page.fill("[name=least]", "0.02")
    page.fill("[name=most]", "0.03")
    assert 0 < count(page) < 120
    assert all(0.02 <= float(value) <= 0.03 for value in column(page, "#frame-table", 4))


def test_quantiles_and_disagreement_are_ranges(page: Page) -> None:
    page.fill("[name=low]", "0.5")
    page.fill("[name=disagreement]", "0.6")
    assert 0 < count(page) < 120
    assert all(float(value) >= 0.6 for value in column(page, "#frame-table", 3))
    assert all(float(value) >= 0.5 for value in column(page, "#frame-table", 6))


def test_the_table_of_frames_sorts_over_all_its_pages(page: Page) -> None:
    page.locator("#frame-table thead button", has_text="Disagreement").click()
    first = [float(value) for value in column(page, "#frame-table", 3)]
    page.get_by_role("button", name="Later rows").click()
    second = [float(value) for value in column(page, "#frame-table", 3)]
    assert first + second == sorted(first + second, reverse=True) and len(first) == 25
    assert page.locator("#page-number").inner_text() == "Page 2 of 5"


def test_arrow_keys_move_the_slider_and_with_it_the_reconstruction(page: Page) -> None:
    clip = "document.querySelector('.over').style.clipPath"
    assert page.evaluate(clip) == "inset(0px 50% 0px 0px)"
    page.focus("#wipe")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(clip) == "inset(0px 49% 0px 0px)"
    page.keyboard.press("Home")
    assert page.evaluate(clip) == "inset(0px 100% 0px 0px)"


def test_a_frame_is_chosen_by_keyboard_and_the_next_one_follows(page: Page) -> None:
    button = page.locator("#frame-table button.show").first
    name = button.inner_text()
    button.press("Enter")
    assert page.locator("#viewer-title").inner_text() == name
    assert page.evaluate("document.activeElement.id") == "viewer-title"
    before = page.locator("#viewer-title").inner_text()
    page.locator("#next").press("Enter")
    assert page.locator("#viewer-title").inner_text() != before
    assert page.locator("#cards .card").count() == 4


def test_the_truth_contour_can_be_hidden(page: Page) -> None:
    page.select_option("[name=label]", label="abnormal")
    page.locator("#gallery button").first.click()
    assert page.locator(".contour").first.is_visible()
    page.uncheck("#contour")
    assert not page.locator(".contour").first.is_visible()


def test_every_picture_has_a_text(page: Page) -> None:
    assert page.locator("img").count() > 20
    assert all(page.eval_on_selector_all("img", "images => images.map((image) => image.alt)"))


def test_axe_finds_no_barrier_in_the_page_with_its_figures(with_figures: Page) -> None:
    expect(with_figures.locator(".plot .main-svg").nth(9)).to_be_attached(timeout=PATIENCE)
    wrong, kept = barriers(with_figures)
    assert wrong == [] and kept > 30


def test_axe_finds_no_barrier_in_a_narrow_dark_page(browser: Browser, without_figures: Path) -> None:
    narrow = {"width": 400, "height": 900}  # without figures, as axe looks at each line of them
    opened, _ = open_page(browser, without_figures / "report.html", color_scheme="dark", viewport=narrow)
    wrong, kept = barriers(opened)
    assert wrong == [] and kept > 30
    opened.close()


def test_a_narrow_screen_scrolls_tables_and_not_the_page(with_figures: Page) -> None:
    with_figures.set_viewport_size({"width": 360, "height": 800})
    left = PATIENCE // 100
    while (width := with_figures.evaluate("document.documentElement.scrollWidth")) > 360 and left:
        with_figures.wait_for_timeout(100)  # figures take their new width when no other has come for a moment
        left -= 1
    assert width <= 360
    with_figures.set_viewport_size({"width": 1280, "height": 900})


def test_text_in_figures_takes_the_colour_of_the_page(with_figures: Page) -> None:
    expect(with_figures.locator("#plot-roc .xtick text").first).to_be_attached(timeout=PATIENCE)
    colours = []
    for scheme in ("light", "dark"):
        with_figures.emulate_media(color_scheme=scheme)
        colours.append(with_figures.evaluate("getComputedStyle(document.querySelector('#plot-roc .xtick text')).fill"))
    assert colours == ["rgb(27, 36, 48)", "rgb(228, 232, 236)"]


def test_paper_shows_no_controls_and_every_detail(with_figures: Page) -> None:
    printed = with_figures.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.startswith(b"%PDF") and len(printed) > 100_000
    with_figures.emulate_media(media="print")
    assert not with_figures.locator("#filters").is_visible() and with_figures.locator("#wipe").is_hidden()
    assert with_figures.locator(".banner").is_visible() and with_figures.locator("#plot-roc").is_visible()
    with_figures.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert with_figures.locator("details:not([open])").count() == 0
    with_figures.evaluate("dispatchEvent(new Event('afterprint'))")
    assert with_figures.locator("details:not([open])").count() == 8
