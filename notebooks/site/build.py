"""Build the site from what is in the repository, and check it: ``python notebooks/site/build.py``.

Nothing is executed: notebooks are shown as committed, the package is read and not imported. The pages are copied to
``results/site/source`` as they lie, so that links between them stay, and end as ``results/site/html``.
"""

import json
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "results" / "site"
API = "api/listi/index"  # made by autoapi
MODELS = "data/paper/models"
PAGES = {  # parts of the contents; the README is the start page
    "Notebooks": ["notebooks/*.ipynb"],
    "Package": [API],
    "Data and figures": ["data/README.md", f"{MODELS}/*.md", "paper_figures/README.md"],
    "Project": ["CONTRIBUTING.md", "CHANGELOG.md"],
}
PICTURES = ("paper_figures/*.png", "paper_figures/*.webp", "paper_figures/explorer.html")
DOORS = """<div class="doors">
<a href="notebooks/10_maps.html"><b>A map in a minute</b><br>the weak spots of a glass by probing and by a network</a>
<a href="paper_figures/explorer.html"><b>The explorer</b><br>click in a glass, see the disc that was probed there</a>
<a href="#on-your-own-glass"><b>Your own glass</b><br>from coordinates, files or a microscope image</a>
</div>"""
SHORT = 6  # lines: longer code is folded, and code that shows nothing
LOADED = {"script", "img", "iframe", "source", "video", "audio", "embed", "object"}  # tags that fetch what they name


def pages(patterns, root=ROOT):
    """Paths that fit the patterns, in their order; a plain path is taken as it is, whether a file is there or not."""
    found = [sorted(root.glob(pattern)) or ([] if "*" in pattern else [root / pattern]) for pattern in patterns]
    return [path.relative_to(root) for paths in found for path in paths]


def entry(path, root=ROOT):
    """Line of the contents for a page; notebooks with their number, by which the texts call them."""
    place = path.with_suffix("").as_posix()
    if place == API:
        return f"Public names of listi <{place}>"
    if place.startswith(MODELS):
        return f"Network {path.stem} <{place}>"
    if path.suffix != ".ipynb":
        return place
    first = json.loads((root / path).read_text("utf-8"))["cells"][0]["source"]
    title = "".join(first).splitlines()[0].lstrip("# ")
    return f"{path.stem[:2]} {title} <{place}>"


def contents(root=ROOT):
    """Table of contents of the site, hidden at the end of the start page."""
    parts = []
    for caption, patterns in PAGES.items():
        lines = [entry(path, root) for path in pages(patterns, root)]
        parts.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *lines, "```"]))
    return "\n\n".join(parts)


def stage(target, root=ROOT):
    """Copy the pages and pictures from `root` to the new folder `target`."""
    shutil.rmtree(target, ignore_errors=True)
    for path in pages([*(one for part in PAGES.values() for one in part), *PICTURES], root):
        if (root / path).is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, target / path)
        if path.suffix == ".ipynb":
            (target / path).write_text(json.dumps(folded(json.loads((root / path).read_text("utf-8")))), "utf-8")
    title, _, text = (root / "README.md").read_text("utf-8").partition("\n")
    (target / "index.md").write_text(f"{title}\n\n{DOORS}\n{text}\n{contents(root)}\n", "utf-8")


def folded(notebook):
    """Return a notebook in which long code, and code that shows nothing, is folded: pictures come first."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and (not cell["outputs"] or len("".join(cell["source"]).splitlines()) > SHORT):
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "hide-input"]
    return notebook


class Page(HTMLParser):
    """What a page of HTML leads to and loads, its anchors, and what is wrong with it by itself."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.faults = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [given[name] for name in ("href", "src", "data") if given.get(name)]
        fetched = [given.get("src"), given.get("data")] if tag in LOADED else []
        fetched += [given.get("href")] if tag == "link" else []
        self.faults += [f"loads {url} from the network" for url in fetched if url and urlsplit(url).netloc]
        if tag == "img" and not given.get("alt", "").strip():
            self.faults.append(f"no alt text: {given.get('src')}")


def faults(folder):
    """What is wrong with the built pages in `folder`: one line for each link that leads nowhere, and the like."""
    read = {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in read.items():
        found += [f"{path.relative_to(folder)}: {fault}" for fault in page.faults]
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchors = read[target].anchors if target in read else ()
            if not target.is_file() or (url.fragment and target in read and unquote(url.fragment) not in anchors):
                found.append(f"{path.relative_to(folder)}: no {link}")
    for path in sorted(folder.rglob("*.css")):
        if "url(http" in path.read_text("utf-8").replace('"', "").replace("'", ""):
            found.append(f"{path.relative_to(folder)}: loads something from the network")
    return found


def main():
    """Build and check; warnings are errors."""
    from sphinx.cmd.build import main as sphinx

    stage(SITE / "source")
    shutil.rmtree(SITE / "html", ignore_errors=True)
    settings = ["-W", "--keep-going", "-n", "-q", "-c", str(Path(__file__).parent), "-d", str(SITE / "doctrees")]
    code = sphinx([*settings, "-E", "-b", "html", str(SITE / "source"), str(SITE / "html")])
    wrong = faults(SITE / "html")
    print("\n".join(wrong), end="\n" if wrong else "")
    if code or wrong:
        return 1
    print(f"{len(list((SITE / 'html').rglob('*.html')))} pages: open {SITE / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
