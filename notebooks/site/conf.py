"""Settings of Sphinx for the site that `build.py` builds, and what is done to its pages."""

import ast
import re
import shutil
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

ROOT = Path(__file__).resolve().parents[2]
LONG = 30  # rows: tables with more are folded

project = "LISTI"
author = "The LISTI compendium contributors"
release = re.search(r'__version__ = "(.+)"', (ROOT / "listi/__init__.py").read_text("utf-8")).group(1)

extensions = ["myst_nb", "sphinx.ext.viewcode", "autoapi.extension", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}  # they would be fetched from the network
suppress_warnings = [
    "autoapi.python_import_resolution",  # constants assigned in pairs are not seen; none is public
    "ref.python",  # `Network` leads to `listi.Network` or to the module that it stands in: the same
]
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!listi\.).*"),  # numpy, xarray and others are described elsewhere
    ("py:class", r"listi\.learning\.layers\.keras\..*|.*\.(PairFunction|Fall|Curve|TrainingSet)"),
]

viewcode_follow_imported_members = False  # sources are linked where they stand

autoapi_dirs = [str(ROOT / "listi")]
autoapi_root = "api"
autoapi_file_patterns = ["*.pyi", "*.py"]  # the public names stand in a stub
autoapi_options = ["members", "imported-members", "show-module-summary"]
autoapi_template_dir = str(Path(__file__).parent)
autoapi_add_toctree_entry = False
autoapi_python_class_content = "class"
napoleon_google_docstring = False
napoleon_use_param = False  # types in docstrings are prose, such as "ndarray, shape (n, 2)"
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"LISTI {release}"
html_static_path = [str(Path(__file__).parent / "site.css")]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_copyright = False


def first_lines(folder):
    """First line of the docstring of every function in the modules of `folder`, by name."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.py"))]
    functions = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {one.name: ast.get_docstring(one).splitlines()[0] for one in functions if ast.get_docstring(one)}


FIGURES = first_lines(ROOT / "listi/figures")


def alt_text(source, heading):
    """What a picture shows: first line of the docstring of the function that its cell calls, else the heading above."""
    drawn = [FIGURES[name] for name in re.findall(r"\bfigures\.(\w+)\(", source) if name in FIGURES and name != "save"]
    numbers = re.findall(r'"fig(\d+)"', source)
    return (f"Fig. {numbers[0]}. " if numbers else "") + (drawn[0] if drawn else heading).replace("`", "")


def folded(table, rows):
    """HTML of a table, behind a line that unfolds it if it is long."""
    return f"<details><summary>Table of {rows} rows</summary>\n{table}\n</details>" if rows > LONG else table


class Pictures(SphinxPostTransform):
    """Pictures that a notebook's cell shows say what they are."""

    default_priority = 100  # after one kind of each output was chosen

    def run(self):
        """Give each an alt text."""
        for cell in self.document.findall(lambda node: "cell" in getattr(node, "attributes", {}).get("classes", ())):
            source = next((node.astext() for node in cell.findall(nodes.literal_block)), "")
            for image in cell.findall(nodes.image):
                image["alt"] = alt_text(source, cell.parent.next_node(nodes.title).astext())


class Tables(SphinxPostTransform):
    """Tables scroll where they are wide and are folded where they are long."""

    default_priority = 100

    def run(self):
        """Wrap tables of notebooks, which are HTML, and those of documents."""
        for node in list(self.document.findall(nodes.raw)):
            if node.get("format") == "html" and "<table" in node.astext():
                table = f'<div class="table-wrapper">{node.astext()}</div>'
                rows = node.astext().rpartition("<tbody")[2].count("<tr")
                node.replace_self(nodes.raw("", folded(table, rows), format="html"))
        for node in list(self.document.findall(nodes.table)):
            rows = sum(len(body.children) for body in node.findall(nodes.tbody))
            before, _, after = folded("|", rows).partition("|")
            if before:
                node.replace_self([nodes.raw("", before, format="html"), node, nodes.raw("", after, format="html")])


class Names(SphinxPostTransform):
    """Names in `backticks` lead to what they name: functions, modules, notebooks, documents."""

    default_priority = 5  # while the domain still knows where each stands

    def run(self):
        """Link what is known; a name that begins with ``listi.`` has to be."""
        known = self.env.get_domain("py").objects
        pages = {name.rsplit("/", 1)[-1]: name for name in self.env.found_docs if name.startswith("notebooks/")}
        pages |= {f"{name}.md": name for name in self.env.found_docs} | {"data/": "data/README"}
        module = self.env.docname.removeprefix("api/").removesuffix("/index").replace("/", ".")
        within = ("listi", module, module.rpartition(".")[0])
        for node in list(self.document.findall(lambda n: isinstance(n, nodes.literal | nodes.title_reference))):
            text = node.astext()
            if isinstance(node.parent, nodes.reference):
                continue
            names = [name for name in (f"{place}.{text}" for place in within) if name in known]
            names = [text] if text in known else [name for name in names if known[name].objtype != "module"]
            literal = nodes.literal(text, text)
            if names:
                found = known[names[0]]
                literal = self.link(found.docname, found.node_id, literal)
            elif text in pages:
                literal = self.link(pages[text], "", literal)
            elif re.fullmatch(r"listi(\.\w+)+", text) and not text.endswith(".py"):
                LOGGER.warning("nothing is named %s", text, location=node, type="ref")
            node.replace_self(literal)

    def link(self, page, place, literal):
        """Return a link from this page."""
        target = relative_uri(f"{self.env.docname}.html", f"{page}.html") + (f"#{place}" if place else "")
        return nodes.reference("", "", literal, internal=True, refuri=target)


LOGGER = logging.getLogger(__name__)


def inline_math(writer, node):
    """Write a formula as MathML, which browsers read without a script."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_math(writer, node):
    """Write a formula on a line of its own as MathML."""
    writer.body.append(f"<div>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise nodes.SkipNode


def bars(app, what, name, member, options, lines):
    """Keep the bars of an absolute value in a docstring from being read as a substitution."""
    lines[:] = [re.sub(r"(?<!\\)\|", r"\|", line) for line in lines]


def skip(app, what, name, member, skipped, options):
    """Describe what a module imports only where it is public: in `listi` itself."""
    return skipped or (member.imported and name.count(".") > 1)


def copy_explorer(app, error):
    """Put the explorer where the README links to it: Sphinx would offer it as a download."""
    page = Path("paper_figures/explorer.html")
    if error is None and (app.srcdir / page).is_file():
        (app.outdir / page).parent.mkdir(exist_ok=True)
        shutil.copyfile(app.srcdir / page, app.outdir / page)


def setup(app):
    """Add what Sphinx and its extensions lack."""
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.connect("autoapi-skip-member", skip)
    app.connect("autodoc-process-docstring", bars)
    app.connect("build-finished", copy_explorer)
    for transform in (Pictures, Tables, Names):
        app.add_post_transform(transform)
