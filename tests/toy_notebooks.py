"""Four small notebooks that stand for the chain: make, measure, draw, and one that needs nothing."""

import json
from pathlib import Path

MAKE = """
from handmade import honeycomb
from listi.compendium import sample_files
path = f"{data_dir}/samples/sample_0000.nc"
if not sample_files.has_group(path, "network", {"seed": seed}):
    network = honeycomb(4, 4, (0.001 * seed, 0))
    sample_files.save_sample(path, network, attrs={"parameters": {"seed": seed}})
"""
MEASURE = """
from listi import files
from listi.compendium import sample_files
n_atoms = sample_files.load_sample(f"{data_dir}/samples/sample_0000.nc").network.n_atoms
files.write_json(f"{data_dir}/measured.json", {"n_atoms": n_atoms, "n_events": n_events})
"""
DRAW = """
import os
from listi import files
n_atoms = files.read_json(f"{data_dir}/measured.json")["n_atoms"]
with open(os.path.join(figure_dir, "figure") + ".png", "w") as file:
    file.write(str(n_atoms))
"""
ALONE = "assert alpha < 0.5, 'alpha is too large'"
MAKES = {"01": ["samples/*.nc/network/*"], "02": ["measured.json"]}
ALL = ["01", "02", "03", "04"]


def cell(source, *tags, kind="code"):
    """Make a cell as a notebook file has it."""
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source, **extra}


def write_notebook(path, parameter_lines, source, needs, makes=(), text="# A step"):
    """Write a notebook with text, parameters, one code cell and a verdict."""
    cells = [
        cell(text, kind="markdown"),
        cell("\n".join(parameter_lines), "parameters"),
        cell(source),
        cell("print('made it')\nprint('verdict: as it should be')", "nbval-check-output"),
    ]
    metadata = {"listi": {"needs": needs, "makes": list(makes), "seconds": 1.5}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
    path.write_text(json.dumps(whole))


def write(name, *what, **more):
    """Write one of the notebooks of the working folder."""
    more = {"makes": MAKES.get(name[:2], ()), **more}
    write_notebook(Path("notebooks") / f"{name}.ipynb", *what, **more)
