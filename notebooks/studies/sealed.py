"""Scores on samples that nothing has been chosen by: made, scored once, and never shown before.

    python notebooks/studies/sealed.py data/paper/studies/sealed.csv.gz [--numbers 60 79] [--work results/sealed]

Samples with these numbers, of the seed and parameters of the paper's data set, are generated, deformed, probed,
predicted by all networks that ship and scored as `benchmark.py` does, with its quick baselines; `listi.weakest` is
asked for their weakest points at several confidences. The rows are added to the table at the very end, with the commit
and the day. Numbers that are in the table have been opened and are refused. Networks that are trained or chosen
afterwards need other numbers. Twenty samples take about an hour of one core; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from benchmark import COLUMNS, baselines, tidy

import listi
from listi.compendium import making, profiles, provenance, sample_files, trained
from listi.files import shipped, write_bytes
from listi.learning import models

OPENED = ["commit", "opened"]
CONFIDENCES = (0.5, 0.8, 0.9, 0.95)
N_WEAKEST = (1, 5)  # points that `listi.weakest` is asked for


def read(table: Path) -> pd.DataFrame:
    """Read the table of all samples opened so far."""
    return pd.read_csv(table, keep_default_na=False) if table.is_file() else pd.DataFrame(columns=COLUMNS + OPENED)


def refuse_opened(known: pd.DataFrame, names: list[str]) -> None:
    """Raise ValueError, saying when, if a sample has been opened before."""
    before = known[known["sample"].isin(names)]
    if len(before):
        first = before.iloc[0]
        raise ValueError(f"numbers: {first['sample']} was opened on {first.opened} at commit {first.commit[:12]}")


def make(folder: Path, numbers: range, values: dict) -> list[Path]:
    """Generate, deform and probe the samples that are missing."""
    paths = [folder / "samples" / f"sample_{number:04d}.nc" for number in numbers]
    how = {"workers": values["workers"], "scheduler": values["scheduler"]}
    wanted = {"network": ("nx", "ny", "seed", "alpha", "box"), "probing": ("grid_x", "grid_y", "r_free")}
    wanted["shear"] = ("strain_step", "max_strain", "n_events", "min_strain")
    parameters = {group: {name: values[name] for name in names} for group, names in wanted.items()}
    making.generate_all(paths, parameters["network"], first=numbers.start, **how)
    making.deform_all(paths, parameters["shear"], **how)
    making.probe_all(paths, parameters["probing"], **how)
    return paths


def weakest_rows(sample: listi.Sample, model: Path) -> list[dict]:
    """Whether `listi.weakest` found the weakest points, and the share of all points that it probed."""
    threshold = sample.probing.threshold.transpose("x", "y")
    lowest = np.sort(threshold.values, axis=None)
    rows = []
    for n in N_WEAKEST:
        for confidence in CONFIDENCES:
            found = listi.weakest(sample.network, n, confidence=confidence, grid=threshold.shape, model=model)
            right = np.array_equal(np.sort(found.threshold.values), lowest[:n])
            for measure, value in (("weakest_right", right), ("weakest_probed", found.n_probes / threshold.size)):
                rows.append({"measure": f"{measure}_{n}", "key": confidence, "value": float(value)})
    return [{"model": model.stem, "resolution": "point", "sample": sample.attrs["name"], **row} for row in rows]


def open_samples(table: Path, numbers: range, folder: Path, data: Path, values: dict) -> pd.DataFrame:
    """Make and score samples, and add them to the table."""
    known = read(table)
    names = [f"sample_{number:04d}.nc" for number in numbers]
    refuse_opened(known, names)
    commit = provenance.commit()
    if commit.endswith("-dirty"):
        raise ValueError("numbers: are opened by code that is committed, so that the table can say which")
    paths = make(folder, numbers, values)
    networks = sorted(path.stem for path in (data / models.SHIPPED).glob("*.keras"))
    for name in networks:
        trained.predict_all(data, name, paths)
    samples = [sample_files.load_sample(path) for path in paths]
    computed = {name: function() for name, function in baselines(samples, data, slow=False).items()}
    parts = [tidy(listi.score(computed, samples, ["probing", *networks]), samples)]
    calibrated = trained.model_file(data, "listi")
    parts += [pd.DataFrame(weakest_rows(sample, calibrated)) for sample in samples]
    opened = datetime.datetime.now(datetime.UTC).date().isoformat()
    rows = pd.concat([known, pd.concat(parts).round({"value": 5}).assign(commit=commit, opened=opened)])
    write_bytes(table, gzip.compress(rows.to_csv(index=False).encode(), mtime=0))
    return read(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--numbers", type=int, nargs=2, default=(60, 79), metavar=("FIRST", "LAST"))
    parser.add_argument("--work", type=Path, default=Path("results") / "sealed")
    parser.add_argument("--data", type=Path, default=shipped())
    given = parser.parse_args()
    first, last = given.numbers
    if not 60 <= first <= last:
        parser.error(f"--numbers: {first} {last}; two numbers from 60 on are needed, those before are of the data set")
    try:
        open_samples(given.table, range(first, last + 1), given.work, given.data, profiles.profile("paper"))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
