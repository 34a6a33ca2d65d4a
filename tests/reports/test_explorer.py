"""The interactive figure in a browser: it shows what Python computed, to eyes, fingers, keys and screen readers."""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline.store.run import Run
from reports.explorer import sprites
from reports.explorer.payload import _axis, in_words
from reports.explorer.stops import MOST_BETWEEN
from reports.render import build
from reports.sections import listing
from reports.statistics.verdicts import decide
from reports.tables.results import Results, read
from reports.words import number
from tests.reports import synthetic
from tests.review import browser as chromium
from tests.review.browser import Browser, browsing, program

pytestmark = pytest.mark.skipif(program() is None, reason="needs chromium")

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HUB = {"name": "torch_hub", "repo": "a/b", "model": HOSTILE}
HUB_NAME = f"torch_hub(a/b:{HOSTILE})"
WORKING = "document.getElementById('explorer').hidden === false && document.querySelector('#plot .marks')"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Support grows with size under one embedding and falls under the other, whose name is hostile."""
    study = synthetic.study(
        question=f"Is {HOSTILE} text?",
        vary={"discriminator.width": [2, 4, 8, 16], "seed": {"count": 3}},
        measure={"samples": 500, "embeddings": ["pixels", HUB], "tau_ladder": [1e-4, 1e-2]},
        hypotheses=[synthetic.CAPACITY],
    )
    return synthetic.write(
        tmp_path_factory.mktemp("runs"),
        study,
        slopes={"pixels": 0.6, HUB_NAME: -0.6},
        precision=lambda trial: 0.1 if trial.discriminator.width == 2 else 0.8,
    )


@pytest.fixture(scope="module")
def results(run: Run) -> Results:
    return read(run)


@pytest.fixture(scope="module")
def url(run: Run, results: Results) -> Iterator[str]:
    """The report's address, with room for the images of two seeds and for few rows of a table only."""
    drawn = sprites.sprites(results, results.completed)
    room = sum(len(drawn[trial].png) for trial in results.completed.query("seed < 2")["trial_id"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sprites, "MOST_BYTES", room)
        patch.setattr(listing, "MOST_ROWS", 5)
        yield f"file://{build(run.root) / 'index.html'}"


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with browsing() as found:
        found.send("Log.enable")
        yield found


@pytest.fixture
def browser(shared_browser: Browser, url: str) -> Browser:
    """A desktop's window with the page newly opened."""
    shared_browser.window(1280, 900)
    shared_browser.send("Page.navigate", url="about:blank")
    shared_browser.events.clear()
    shared_browser.send("Page.navigate", url=url)
    shared_browser.until(WORKING)
    return shared_browser


def slide(browser: Browser, stop: int) -> None:
    browser.run(
        f"(t => {{ t.value = {stop}; t.dispatchEvent(new Event('input')) }})(document.getElementById('threshold'))"
    )


def choose(browser: Browser, name: str, value: int) -> None:
    browser.run(
        f"(s => {{ s.value = {value}; s.dispatchEvent(new Event('change')) }})(document.getElementById('{name}'))"
    )


def press(browser: Browser, key: str) -> None:
    browser.run("document.getElementById('plot-box').focus()")
    browser.send("Input.dispatchKeyEvent", type="keyDown", key=key)
    browser.send("Input.dispatchKeyEvent", type="keyUp", key=key)


def inner(browser: Browser, name: str) -> str:
    return str(browser.run(f"document.getElementById('{name}').innerText"))


def counts(results: Results, embedding: str, tau: float) -> pd.Series:
    """Pairs nearer than tau by trial, summed bin by bin."""
    rows = results.run.table("distances")
    rows = rows[
        (rows["embedding"] == embedding) & (rows["source"] == "generated") & (rows["high"] <= tau + 1e-12)
    ]
    return rows.groupby("trial_id")["count"].sum()


def test_nothing_is_asked_of_a_network_and_nothing_goes_wrong(browser: Browser, url: str) -> None:
    browser.run("window.stolen = fetch('https://example.org/').then(() => 'sent', () => 'refused')")
    assert browser.run("window.stolen") == "refused"
    asked = [
        e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"
    ]
    assert [one for one in asked if not one.startswith("data:")] in ([url], [url, "https://example.org/"])
    wrong = [
        e for e in browser.events if e["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    ]
    logged = [e["params"]["entry"]["text"] for e in browser.events if e["method"] == "Log.entryAdded"]
    assert not wrong
    assert all("example.org" in text for text in logged)


def test_every_stop_shows_what_decide_says_there(browser: Browser, results: Results) -> None:
    (hypothesis,) = results.study.hypotheses
    own = inner(browser, "verdict-now")
    assert in_words(decide(hypothesis, results.study, results.completed)) in own
    payload = json.loads(browser.run("document.getElementById('explorer-data').textContent"))
    pixels = payload["embeddings"][0]
    edges = sorted(set(results.run.table("distances")["high"]))
    between = [k for k, stop in enumerate(pixels["stops"]) if not stop["rung"]]
    assert len(between) == MOST_BETWEEN
    texts = set()
    for k in between[::5]:
        slide(browser, k)
        (tau,) = [edge for edge in edges if number(edge) == pixels["stops"][k]["tau"]]
        there = counts(results, "pixels", tau)
        trials = results.completed.assign(collisions=results.completed["trial_id"].map(there).fillna(0))
        text = inner(browser, "verdict-now")
        assert in_words(decide(hypothesis, results.study, trials)) in text
        assert "not the ruler stated beforehand" in text
        assert pixels["stops"][k]["counts"] == trials["collisions"].tolist()
        texts.add(text)
    assert len(texts) > 1
    browser.run("document.getElementById('threshold-own').click()")
    assert inner(browser, "verdict-now") == own


def test_another_embedding_has_its_own_verdict_and_the_one_stated_beforehand_stays(browser: Browser) -> None:
    before = inner(browser, "verdict-now")
    assert "supported" in before
    choose(browser, "embedding", 1)
    assert "refuted" in inner(browser, "verdict-now")
    assert HOSTILE in inner(browser, "verdict-now")
    assert "supported" in browser.run("document.querySelector('#answer .lead').innerText")
    assert "supported" in browser.run("document.querySelector('#verdicts .badge').innerText")


def shapes(browser: Browser) -> int:
    """How many marks are drawn: subpaths of the marks' paths, bars left out."""
    return int(
        browser.run(
            "[...document.querySelectorAll('#plot .marks path:not(.bar)')].reduce((n, p) => n + p.getAttribute('d').split('M').length - 1, 0)"
        )
    )


def test_filters_choose_points_and_no_verdict(browser: Browser) -> None:
    assert shapes(browser) >= 12
    verdict = inner(browser, "verdict-now")
    box = "[...document.querySelectorAll('#filters fieldset')].find(f => f.querySelector('legend').innerText === '{}').querySelectorAll('input')[{}].click()"
    browser.run("document.getElementById('filter').open = true")
    browser.run(box.format("discriminator.width", 0))
    assert inner(browser, "plot-status") == "9 of 12 trials shown."
    browser.run(box.format("seed", 1))
    assert browser.run("document.getElementById('plot').dataset.marks") == "6"
    assert inner(browser, "verdict-now") == verdict
    browser.run(box.format("discriminator.width", 0))
    browser.run(box.format("seed", 1))
    browser.run(box.format("quality gate", 1))
    assert inner(browser, "plot-status") == "9 of 12 trials shown."


def test_keys_go_through_the_trials_in_order_of_size(browser: Browser, results: Results) -> None:
    choose(browser, "coloured", 1)  # seeds: points of equal size stand side by side, in their order
    trials = results.completed.sort_values(["discriminator_params", "seed"])
    for k, (_, trial) in enumerate(trials.iterrows()):
        press(browser, "ArrowRight")
        said = inner(browser, "spoken")
        assert (
            f"{k + 1} of 12: discriminator.width {trial['discriminator.width']}, seed {trial['seed']}" in said
        )
        assert f"N₂ {number(trial['n2'])}, {number(trial['ratio_to_real'])} times the real images'" in said


def test_keys_open_a_trial_with_its_images_and_escape_returns(browser: Browser) -> None:
    choose(browser, "coloured", 1)
    press(browser, "Home")  # the smallest, of the first seed
    browser.press("Enter")
    browser.until("document.querySelectorAll('#trial-images canvas').length === 4")
    assert browser.run("document.activeElement.id") == "trial"
    assert "closest pair 1 and the nearest training image" in browser.run(
        "document.querySelectorAll('#trial-images canvas')[1].getAttribute('aria-label')"
    )
    drawn = "(c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(x => x > 100 && x < 255))(document.querySelector('#trial-images canvas'))"
    assert browser.run(drawn)
    press_on = "document.getElementById('trial').dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))"
    browser.run(press_on)
    assert browser.run("document.activeElement.id") == "plot-box"
    assert browser.run("document.getElementById('trial').hidden")


def test_a_click_opens_the_point_under_it(browser: Browser) -> None:
    press(browser, "End")
    x, y = browser.run(
        "(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector('#plot .ring').getBoundingClientRect())"
    )
    wanted = inner(browser, "spoken")
    for kind in ("mousePressed", "mouseReleased"):
        browser.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    browser.until("!document.getElementById('trial').hidden")
    assert inner(browser, "trial-name") in wanted


@pytest.mark.parametrize("dark", [False, True])
def test_an_accessibility_audit_finds_nothing_serious(
    browser: Browser, dark: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium, "PATIENCE", 120.0)
    browser.window(1280, 900, dark=dark)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    press(browser, "Home")
    browser.press("Enter")
    found = importlib.util.find_spec("axe_playwright_python")  # its axe alone, without its Playwright
    assert found is not None
    assert found.submodule_search_locations is not None
    browser.run((Path(found.submodule_search_locations[0]) / "axe.min.js").read_text() + "; 0")
    rules = json.dumps({"runOnly": ["color-contrast"]} if dark else {})
    audit = json.loads(browser.run(f"axe.run({rules}).then(r => JSON.stringify(r))"))
    assert len(audit["passes"]) > (0 if dark else 20)
    serious = [one for one in audit["violations"] if one["impact"] in ("serious", "critical")]
    assert not serious, [
        (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in serious
    ]
    headings = browser.run(
        "[...document.querySelectorAll('h1,h2,h3,h4')].filter(h => h.offsetParent).map(h => Number(h.tagName[1]))"
    )
    assert headings[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))


def test_a_phone_scrolls_down_only(browser: Browser) -> None:
    browser.window(360, 740, phone=True)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.run("document.documentElement.scrollWidth") <= 360


def test_without_scripts_the_page_is_plain(browser: Browser, url: str) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.send("Page.navigate", url=url)
        browser.until("document.querySelector('noscript figure img')?.complete")
        assert browser.run("document.getElementById('explorer').hidden")
        assert "a doubling multiplies" in browser.text()
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_hostile_names_are_text(browser: Browser) -> None:
    assert HOSTILE in browser.run("document.querySelector('h1').innerText")
    assert HOSTILE in browser.run("document.getElementById('embedding').innerText")
    assert browser.run("document.querySelectorAll('img[src=x]').length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 2


def test_images_stop_at_the_budget_and_the_page_says_so(browser: Browser) -> None:
    assert "Images of 8 of 12 trials fit into this page: lowest seeds first." in browser.text()
    choose(browser, "coloured", 1)
    press(browser, "End")  # the largest, of the last seed
    browser.press("Enter")
    assert "no room for the images of this trial" in inner(browser, "trial-images")


def test_long_tables_are_cut_and_say_so(browser: Browser) -> None:
    assert browser.run("document.querySelectorAll('#trials tbody tr').length") == 5
    assert "The first 5 of 12; " in browser.run("document.getElementById('trials').textContent")


@pytest.mark.parametrize(
    ("values", "shown", "codes"),
    [
        ([0.0016816000018, 0.00014376196, 2], ["0.0001438", "0.001682", "2"], [1, 0, 2]),
        (["none", 0.123457, 0.123456], ["0.123456", "0.123457", "none"], [2, 1, 0]),
    ],
)
def test_numbers_of_an_axis_are_short_where_that_tells_them_apart(
    values: list[object], shown: list[str], codes: list[int]
) -> None:
    assert _axis("rate", pd.Series(values, dtype=object)) == {"key": "rate", "values": shown, "codes": codes}
