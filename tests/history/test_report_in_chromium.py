"""The pages as a browser shows them: on a desk and on a phone, light and dark, and asking nobody for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from hrbridge.history import season_report
from hrbridge.history.runs import runs
from hrbridge.journal import Journal
from tests.history.test_report import Kept, simulated

# Nothing but the page itself can be reached, and nothing of the browser's own is fetched.
ALONE = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
DESK_PX, PHONE_PX = 1280, 390
# WCAG 2.2, level AA: ordinary text (1.4.3), and signs that words stand beside (1.4.11).
LEAST_CONTRAST, LEAST_CONTRAST_OF_SIGNS = 4.5, 3.0
LEAST_LETTERS_PX = 11.0

SHOWN_PLOTS = """() => [...document.querySelectorAll("svg")].filter(svg => svg.checkVisibility()).map(svg => {
    const box = svg.getBoundingClientRect();
    return {left: box.left, right: box.right, width: box.width, height: box.height};
})"""
LETTERS_PX = """() => [...document.querySelectorAll("svg text")].filter(text => text.checkVisibility()).map(text =>
    parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
OUTSIDE = """() => [...document.querySelectorAll("svg text")].filter(text => text.checkVisibility()).filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < 0 || box.right > innerWidth;
}).map(text => text.textContent)"""
# Of every text that is shown: what it says, its contrast to the background it stands on, and whether it is a sign.
CONTRASTS = """() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)") return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
        if (!text || element.tagName.toLowerCase() === "style" || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(element.closest("svg") ? style.fill : style.color), light(behind(element))];
        found.push([text, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.ariaHidden === "true"]);
    }
    return found;
}"""


class Shown(NamedTuple):
    """A page in a browser, what it asked for, and what the browser complained of."""

    page: Page
    asked: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def browser(needs_tool: Callable[[str], str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=needs_tool("chromium"), args=ALONE)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(season_journal: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with an effort, a strap that is silent for a while and early walks; a season."""
    folder = tmp_path_factory.mktemp("pages")
    troubled = simulated("easy-4-1", "sensor.runner='novice'", "plan.total_s=1500", "sensor.faults=['dropout@900+60']")
    with Journal(season_journal) as journal:
        season = season_report.report(runs(journal, "alex"))
    found = {}
    for name, html in (("run", Kept(*troubled).html), ("season", season)):
        found[name] = folder / f"{name}.html"
        found[name].write_text(html, encoding="utf-8")
    return found


@pytest.fixture(
    scope="module",
    params=[
        (name, paper, width_px)
        for name in ("run", "season")
        for paper, width_px in (("light", DESK_PX), ("dark", DESK_PX), ("light", PHONE_PX), ("dark", PHONE_PX))
    ],
    ids=lambda param: "-".join(map(str, param)),
)
def shown(request: pytest.FixtureRequest, browser: Browser, files: dict[str, Path]) -> Iterator[Shown]:
    name, paper, width_px = request.param
    context = browser.new_context(viewport={"width": width_px, "height": 900}, color_scheme=paper)
    seen = Shown(context.new_page(), [], [])
    seen.page.on("request", lambda asked: seen.asked.append(asked.url))
    seen.page.on("requestfailed", lambda failed: seen.complaints.append(failed.url))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.goto(files[name].as_uri())
    yield seen
    context.close()


def width_px(shown: Shown) -> int:
    size = shown.page.viewport_size
    assert size is not None
    return size["width"]


def test_the_browser_has_nothing_to_complain_of(shown: Shown) -> None:
    assert shown.complaints == []


def test_the_page_asks_for_itself_and_nothing_else(shown: Shown) -> None:
    assert [url for url in shown.asked if not url.startswith("data:,")] == [shown.page.url]


def test_the_page_is_no_wider_than_the_window(shown: Shown) -> None:
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width_px(shown)


def test_every_plot_is_shown_once(shown: Shown) -> None:
    figures = shown.page.locator("figure").count()
    assert len(shown.page.evaluate(SHOWN_PLOTS)) == figures


def test_every_plot_has_a_size_and_lies_within_the_page(shown: Shown) -> None:
    boxes: list[dict[str, Any]] = shown.page.evaluate(SHOWN_PLOTS)
    outside = [b for b in boxes if b["left"] < 0 or b["right"] > width_px(shown)]
    small = [b for b in boxes if b["width"] < 300 or b["height"] < 120]
    assert (outside, small) == ([], [])


def test_no_letter_of_a_plot_is_cut_off(shown: Shown) -> None:
    assert shown.page.evaluate(OUTSIDE) == []


def test_the_letters_of_a_plot_can_be_read(shown: Shown) -> None:
    assert min(shown.page.evaluate(LETTERS_PX)) >= LEAST_LETTERS_PX


def test_all_text_stands_out_from_its_paper(shown: Shown) -> None:
    words = [(text, ratio) for text, ratio, is_sign in shown.page.evaluate(CONTRASTS) if not is_sign]
    assert [(text, ratio) for text, ratio in words if ratio < LEAST_CONTRAST] == []


def test_all_signs_stand_out_from_their_paper(shown: Shown) -> None:
    signs = [(text, ratio) for text, ratio, is_sign in shown.page.evaluate(CONTRASTS) if is_sign]
    assert [(text, ratio) for text, ratio in signs if ratio < LEAST_CONTRAST_OF_SIGNS] == []


def test_headings_stand_in_order(shown: Shown) -> None:
    tags = shown.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(heading => heading.tagName)")
    assert (tags[0], {*tags[1:]}) == ("H1", {"H2"})


def test_tables_fit_the_page(shown: Shown) -> None:
    cut = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length"
    assert shown.page.evaluate(cut) == 0


def test_paper_is_white_in_print(shown: Shown) -> None:
    shown.page.emulate_media(media="print")
    white = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    shown.page.emulate_media(media="screen")
    assert white == "rgb(255, 255, 255)"
