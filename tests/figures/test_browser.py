"""The explorer in a real browser: it draws in a frame that is hidden at first, and a click shows the disc."""

import shutil

import pytest

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
def notebook(glass):
    """What JupyterLab shows of a sample, as HTML."""
    shear = listi.deform(glass, n_events=2)
    sample = Sample(glass, shear, listi.probe(glass, grid=(5, 4), workers=1))
    return listi.explore(sample)._repr_mimebundle_()["text/html"]


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


def click(frame):
    frame.locator("#map").click(position={"x": 100, "y": 120})
    wait_for(frame, "countColours('disc') > 5")


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
    wait_for(frame, "countColours('map') > 20 && countColours('disc') === 1")
    click(frame)
    disc = "document.getElementById('disc').getBoundingClientRect()"
    wait_for(frame, f"{disc}.top >= 0 && {disc}.bottom <= {height} && {disc}.right <= {width}")
    assert frame.evaluate("document.documentElement.scrollWidth") <= width  # nothing to be scrolled sideways


def test_the_menu_changes_the_map(opened):
    frame = opened(1000)
    wait_for(frame, "countColours('map') > 20")
    picture = "document.getElementById('map').toDataURL()"
    before = frame.evaluate(picture)
    frame.locator("#maps").select_option("Strain to failure")
    assert frame.evaluate(picture) != before
    assert "strain" in frame.locator("#unit").inner_text()
