"""The page, as people meet it: in a browser, by keyboard and by finger."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.review.server import Address, serving
from pipeline.store.run import load_run
from tests.review.browser import Browser, browsing, program
from tests.review.runs import write

pytestmark = pytest.mark.skipif(program() is None, reason="needs chromium")


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture
def browser(shared_browser: Browser) -> Browser:
    """A window of a desktop, without cookies or memories."""
    shared_browser.send("Network.clearBrowserCookies")
    shared_browser.window(1280, 800)
    shared_browser.events.clear()
    return shared_browser


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path)


@pytest.fixture
def address(root: Path) -> Iterator[Address]:
    with serving(root) as found:
        yield found


def begin(browser: Browser, address: Address, rater: str) -> None:
    """Give one's name."""
    browser.open(address.url)
    browser.run(f"document.getElementById('name').value = {rater!r}")
    browser.run("document.getElementById('name').focus()")
    browser.press("Enter")
    reached(browser, 0)


def reached(browser: Browser, done: int) -> None:
    """Wait until so many are judged and the page is at rest."""
    browser.until(f"document.getElementById('who').textContent.startsWith('{done} of ') && !busy")


def labels_of(root: Path, rater: str) -> list[str]:
    labels = load_run(root).table("labels")
    found: list[str] = labels[labels["rater"] == rater].sort_values("position")["label"].tolist()
    return found


def visible(browser: Browser) -> np.ndarray:
    """The left picture's pixels as the page holds them."""
    source = browser.run("document.getElementById('left').src")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def test_thirty_pairs_by_keyboard_with_a_reload_and_an_undo(
    browser: Browser, address: Address, root: Path
) -> None:
    begin(browser, address, "Ada")
    keys = "dncnnDNCndncdnncdnndcnndncnndc"
    said = [{"d": "duplicate", "n": "different", "c": "unsure"}[key.lower()] for key in keys]
    for k, key in enumerate(keys):
        if k == 12:
            before = visible(browser)
            browser.reload()
            reached(browser, 12)
            np.testing.assert_array_equal(visible(browser), before)
        if k == 20:
            before = visible(browser)
            browser.press("d")
            reached(browser, 21)
            browser.press("u")
            reached(browser, 20)
            np.testing.assert_array_equal(visible(browser), before)
        browser.press(key)
        reached(browser, k + 1)
    assert labels_of(root, "Ada") == said
    text = browser.text()
    assert "All pairs are judged" in text
    assert "0.50" in text
    counts = [browser.run(f"document.getElementById('{label}').textContent") for label in sorted(set(said))]
    assert counts == [str(said.count(label)) for label in sorted(set(said))]
    browser.press("d")  # nothing is left to be judged
    browser.press("u")  # but the last can be taken back
    reached(browser, 29)
    assert labels_of(root, "Ada") == said[:29]


def test_the_token_leaves_the_address_bar_and_the_name_stays(browser: Browser, address: Address) -> None:
    browser.open(address.url)
    assert "token" not in browser.run("location.href")
    begin(browser, address, "Ada Lovelace")
    assert browser.run("location.search") == "?rater=Ada+Lovelace"
    assert "token" not in browser.run("document.cookie")


def test_a_second_rater_begins_at_the_beginning_with_another_pair_order(
    browser: Browser, address: Address, root: Path
) -> None:
    begin(browser, address, "Ada")
    browser.press("d")
    reached(browser, 1)
    browser.open(address.url)
    assert browser.run("document.getElementById('raters').innerText") == "Ada"
    begin(browser, address, "Ben")
    for k in range(3):
        browser.press("n")
        reached(browser, k + 1)
    browser.open(address.url)
    browser.run("document.querySelector('#raters button').click()")
    reached(browser, 1)
    assert labels_of(root, "Ada") == ["duplicate"]
    assert labels_of(root, "Ben") == ["different"] * 3
    first = load_run(root).table("labels").groupby("rater")["first"].first()
    assert len(list(Path(root, "labels").glob("labels-*.parquet"))) == 2
    assert set(first.index) == {"Ada", "Ben"}


def test_nothing_that_reaches_the_browser_tells_whose_a_pair_is(
    browser: Browser, address: Address, root: Path
) -> None:
    begin(browser, address, "Ada")
    for k in range(6):
        browser.press("n")
        reached(browser, k + 1)
    received = browser.received()
    assert received.count('"left"') >= 7
    for table in ("candidates", "labels"):
        rows = load_run(root).table(table)
        for name in ("trial_id", "source", "data_fingerprint", "embedding"):
            for value in set(rows[name].dropna()) - {"real"}:
                assert value not in received
    for word in ('"real"', "stratum", "distance", "support_size", "first_image", "trial_id"):
        assert word not in received


def test_a_key_held_down_or_with_a_modifier_judges_nothing(
    browser: Browser, address: Address, root: Path
) -> None:
    begin(browser, address, "Ada")
    for _ in range(5):
        browser.press("d", repeat=True)
    browser.send("Input.dispatchKeyEvent", type="keyDown", key="d", modifiers=2)
    browser.press("x")
    assert labels_of(root, "Ada") == []
    # Struck faster than answers come: never more than one a pair, never one for a pair not seen.
    for _ in range(8):
        browser.press("n")
    browser.until("!busy")
    done = int(browser.run("document.getElementById('progress').getAttribute('aria-valuenow')"))
    assert len(labels_of(root, "Ada")) == done <= 8


def test_letters_of_a_name_are_no_judgments(browser: Browser, address: Address, root: Path) -> None:
    browser.open(address.url)
    for letter in "dnc":
        browser.press(letter)
    assert browser.run("document.getElementById('name').value") == "dnc"
    browser.press("Enter")
    reached(browser, 0)
    assert labels_of(root, "dnc") == []


def test_an_error_is_said_and_nothing_is_lost(browser: Browser, address: Address, root: Path) -> None:
    begin(browser, address, "Ada")
    before = visible(browser)
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels").rename(root / "aside")
    (root / "labels").write_text("in the way")
    browser.press("d")
    browser.until("!document.getElementById('message').hidden && !busy")
    assert "cannot be written" in browser.text()
    (root / "labels").unlink()
    np.testing.assert_array_equal(visible(browser), before)
    browser.press("d")
    reached(browser, 1)
    assert "cannot be written" not in browser.text()
    assert labels_of(root, "Ada") == ["duplicate"]


def test_a_stopped_server_is_said(browser: Browser, root: Path) -> None:
    with serving(root) as address:
        begin(browser, address, "Ada")
    browser.press("d")
    browser.until("!document.getElementById('message').hidden")
    assert "does not answer" in browser.text()


def test_a_page_elsewhere_cannot_judge(browser: Browser, address: Address, root: Path) -> None:
    begin(browser, address, "Ada")
    browser.send("Page.navigate", url="data:text/html,<p id=message>elsewhere</p>")
    browser.until("document.body.innerText === 'elsewhere'")
    status = browser.run(
        f"fetch('http://127.0.0.1:{address.port}/undo', {{method: 'POST', credentials: 'include',"
        " mode: 'no-cors', body: '{\"rater\": \"Ada\"}'}).then(r => r.type, e => 'blocked')"
    )
    assert status in ("opaque", "blocked")
    assert labels_of(root, "Ada") == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it_and_fingers_judge(
    browser: Browser, address: Address, root: Path, dark: bool
) -> None:
    browser.window(360, 640, dark=dark, phone=True)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    browser.open(address.url)
    assert browser.run(fits)
    begin(browser, address, "Wolfeschlegelsteinhausenbergerdorff the Elder, Philadelphia")
    assert browser.run(fits)
    assert browser.run("document.documentElement.scrollHeight <= innerHeight")
    boxes = browser.run(
        "[...document.querySelectorAll('#answers button, #pair img')].map(e => "
        "(b => [b.left, b.right, b.width, b.height, b.bottom])(e.getBoundingClientRect()))"
    )
    assert all(left >= 0 and right <= 360 and bottom <= 640 for left, right, _, _, bottom in boxes)
    assert all(width >= 44 and height >= 44 for _, _, width, height, _ in boxes)
    assert all(width >= 150 for _, _, width, _, _ in boxes[:2])
    paper = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("L"))[200, 2]
    assert paper < 60 if dark else paper > 200
    for k, answer in enumerate(("duplicate", "different", "unsure")):
        browser.tap(f"[data-label={answer}]")
        reached(browser, k + 1)
    browser.tap("#undo")
    reached(browser, 2)
    assert load_run(root).table("labels")["label"].isin(["duplicate", "different"]).sum() == 2
    for k in range(2, 30):
        browser.press("n")
        reached(browser, k + 1)
    assert browser.run(fits)


def test_pixels_stay_crisp_and_fill_the_window(browser: Browser, address: Address) -> None:
    begin(browser, address, "Ada")
    assert browser.run("getComputedStyle(document.getElementById('left')).imageRendering") == "pixelated"
    box = browser.run(
        "(b => [b.x, b.y, b.width, b.height])(document.getElementById('left').getBoundingClientRect())"
    )
    assert min(box[2:]) >= 400
    x, y, width, height = (round(v) for v in box)
    side = min(width, height)
    shot = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("L"))
    top, right = y + (height - side) // 2, x + width  # it leans to the right, towards the other
    middles = ((np.arange(8) + 0.5) * side / 8).astype(int)
    shown = shot[top + middles[:, None], right - side + middles[None, :]]
    np.testing.assert_array_equal(shown, visible(browser))
