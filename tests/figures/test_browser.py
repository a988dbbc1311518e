"""The explorer in a real browser: it draws in a frame that is hidden at first, a click shows the disc, which moves."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import listi
from listi.analysis.sample import Sample
from listi.figures.explorer import HEIGHT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
IN_THE_PAGE = """
addEventListener("resize", event => event.stopImmediatePropagation(), true);
window.countColours = id => {
  const canvas = document.getElementById(id);
  if (!canvas.width || !canvas.height) return 0;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(data.buffer)).size;
};"""


@pytest.fixture(scope="module")
def sample(glass):
    probing = listi.probe(glass, grid=(5, 4), workers=1)
    predicted = probing.threshold + 1e-3 * np.random.default_rng(0).normal(size=(5, 4))
    predictions = xr.Dataset({"listi": predicted, "cnn": 2 * predicted})
    return Sample(glass, listi.deform(glass, n_events=2), probing, predictions)


@pytest.fixture(scope="module")
def notebook(sample):
    """What JupyterLab shows of a sample, as HTML."""
    return listi.explore(sample, full=True)._repr_mimebundle_()["text/html"]


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api", reason="needs Playwright: the extra named test")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, notebook):
    """Show the explorer in a frame that starts hidden, in a window of a given size; return the frame.

    No resize event reaches it: in JupyterLab none comes when the frame gets its width.
    """
    pages = []

    def show(width, height=HEIGHT):
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        page.add_init_script(IN_THE_PAGE)
        page.set_content(f'<body style="margin: 0"><div id="cell" style="display: none">{notebook}</div>')
        frame = page.frames[1]
        frame.wait_for_function("document.querySelector('main') && !document.querySelector('main').hidden")
        assert frame.evaluate("innerWidth") == 0
        page.evaluate("document.getElementById('cell').style.display = 'block'")
        return frame

    yield show
    for page in pages:
        page.close()


def wait_for(frame, condition):
    frame.wait_for_function(condition, timeout=10_000)


def text(frame, name):
    return frame.locator(f"#{name}").inner_text()


def test_a_frame_that_was_hidden_is_drawn_when_it_is_shown(opened):
    frame = opened(1000)
    wait_for(frame, "countColours('map') > 20 && countColours('curve') > 5")
    wide = frame.evaluate("document.getElementById('map').width")
    frame.page.evaluate("document.querySelector('iframe').style.width = '500px'")
    wait_for(frame, f"countColours('map') > 20 && document.getElementById('map').width < {wide}")


@pytest.mark.parametrize(
    ("width", "height"), [(390, 500), *((width, HEIGHT) for width in (390, 560, 700, 760, 1024, 1920))]
)
def test_a_click_shows_the_disc_in_the_window(opened, width, height):
    frame = opened(width, height)
    frame.page.evaluate(f"document.querySelector('iframe').style.height = '{height}px'")
    wait_for(frame, "countColours('map') > 20 && countColours('disc') > 5")
    assert text(frame, "where") == "Disc at the spot of event 1"
    frame.locator("#map").click(position={"x": 100, "y": 120})
    assert text(frame, "where") == "Disc at the chosen spot"
    disc = "document.getElementById('disc').getBoundingClientRect()"
    wait_for(frame, f"{disc}.top >= 0 && {disc}.bottom <= {height} && {disc}.right <= {width}")
    assert frame.evaluate("document.documentElement.scrollWidth") <= width  # nothing to be scrolled sideways


def test_the_menu_changes_the_map(opened, sample):
    frame = opened(1000)
    wait_for(frame, "countColours('map') > 20")
    pictures = set()
    views = frame.locator("#views option").evaluate_all("options => options.map(option => option.value)")
    assert views == ["probed", "predicted", "both", "difference", "live", "strain"]
    for view in views:
        frame.locator("#views").select_option(view)
        pictures.add(frame.evaluate("document.getElementById('map').toDataURL()"))
        assert frame.locator("#second").is_visible() == (view == "both")
        assert frame.locator("#agreement").is_visible() == (view in ("predicted", "both", "difference"))
    assert len(pictures) == 5  # before the first event, the map probed anew is the probed one
    assert text(frame, "unit") == "strain"
    frame.locator("#views").select_option("both")
    wait_for(frame, "countColours('second') > 20")
    correlation = np.corrcoef(*(sample.predictions.listi.values.ravel(), sample.probing.threshold.values.ravel()))[0, 1]
    assert f"thresholds {correlation:.3f}, root-mean-square difference" in text(frame, "agreement")
    before = text(frame, "agreement")
    frame.locator("#networks").select_option("CNN")
    assert text(frame, "agreement") != before


def test_values_at_the_pointer_and_at_the_spot_are_those_of_the_map_that_is_shown(opened, sample):
    frame = opened(1000)
    wait_for(frame, "countColours('map') > 20")
    frame.locator("#views").select_option("predicted")
    values = 1e3 * sample.predictions.listi.values
    rank = 1 + np.sum(values < values[2, 3])
    frame.evaluate("choose(2 * ny + 3)")
    line = rf"predicted threshold {values[2, 3]:.3g}.*, rank {rank} of 20 \({5 * (rank - 1)} % are weaker\)"
    assert re.search(line, text(frame, "facts"), re.IGNORECASE)
    x, y = frame.evaluate("[2 / nx * Lx * scale, $('map').clientHeight - 24 - 3 / ny * Ly * scale]")
    frame.locator("#map").hover(position={"x": x, "y": y})
    assert re.search(line, text(frame, "values"))
    frame.locator("#state").hover()
    assert "rank" not in text(frame, "values")


def test_keys_step_through_events_move_the_spot_and_play_the_disc(opened, sample):
    frame = opened(1000)
    wait_for(frame, "countColours('disc') > 5")
    frame.locator("#play").focus()
    still = frame.evaluate("document.getElementById('disc').toDataURL()")
    for key, name, shown in (
        (" ", "play", "Pause"),
        (" ", "play", "Play"),
        ("ArrowRight", "state", "after event 1 of 2"),
        ("ArrowLeft", "state", "before the first event"),
        ("Shift+ArrowUp", "where", "Disc at the chosen spot"),
        ("Shift+ArrowDown", "where", "Disc at the spot of event 1"),
    ):
        frame.page.keyboard.press(key)
        wait_for(frame, f"document.getElementById('{name}').textContent.includes('{shown}')")
    frame.evaluate("frame(0, 3000)")
    strain = sample.probing.critical_strain.values.ravel()[frame.evaluate("spot")]
    assert f"fails at strain {100 * strain:.2f} %" in text(frame, "strained")
    assert frame.evaluate("document.getElementById('disc').toDataURL()") != still


def test_the_page_that_ships_takes_a_step_in_less_than_10_ms(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((Path(__file__).resolve().parents[2] / "paper_figures" / "explorer.html").as_uri())
    page.locator("#views").select_option("both")
    timed = "() => { const begin = performance.now(); step(1); step(-1); return performance.now() - begin; }"
    assert min(page.evaluate(timed) for _ in range(10)) < 2 * 10
    page.close()


def test_a_page_without_scripts_has_its_picture_and_one_without_events_says_so(browser, sample):
    page = listi.explore(sample.network, map=sample.probing.threshold).page
    for scripts in (False, True):
        context = browser.new_context(java_script_enabled=scripts)
        shown = context.new_page()
        shown.set_content(page)
        assert shown.locator("noscript img").is_visible() != scripts
        assert shown.get_by_text("no events are stored").is_visible() == scripts
        assert not shown.locator("#play").is_visible()
        context.close()
