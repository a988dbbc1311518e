"""Run the chain of notebooks, redraw figures, say what is done and whole, explore samples, read images."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import __version__, files
from .compendium import chain, profiles
from .files import DataError
from .learning import models

# The names in `bench.PARTS`; importing that would cost every command a second.
_BENCHMARKS = ("generation", "force", "probing", "prediction", "cores", "deformation", "size")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 if all went well, 1 if a step failed or a file is damaged, 2 if the command or a
        parameter is refused.
    """
    given = _parser().parse_args(arguments)
    try:
        code = given.command(given) or 0
        sys.stdout.flush()
        return code
    except ValueError as error:
        failure = isinstance(error, DataError)
        print(f"listi: error: {error}", file=sys.stderr)
        return 1 if failure else 2
    except chain.ChainError as error:
        print(f"listi: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("listi: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads the output has seen enough, as in `listi status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="listi", description=__doc__)
    parser.add_argument("--version", action="version", version=f"listi {__version__}")
    parser.set_defaults(command=lambda given: parser.print_help())
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(command=command)
        return added

    run = add("run", _run, "execute the notebooks that are not up to date, in order")
    _add_profile(run)
    run.add_argument("--only", metavar="NN", help="execute this notebook only")
    again = run.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with what is missing (the default)")
    again.add_argument("--fresh", action="store_true", help="start over; with --only: even if it is up to date")

    train = add("train", _train, "train a network at the paper's scale, going on where it was stopped")
    train.add_argument("name", metavar="NETWORK", help=", ".join(models.names()))
    train.add_argument("--data", type=Path, metavar="FOLDER", help="samples, and models (default: data/paper)")
    train.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting or a size")
    train.add_argument("--label", help="name of a variant's files (default: that of the network)")
    train.add_argument("--seed", type=int, default=0, help="seed of weights and order (default: 0)")
    train.add_argument("--threads", type=int, default=1, help="threads of a training step (default: 1)")
    train.add_argument("--checkpoints", type=Path, metavar="FOLDER", help="where to (default: results/training)")

    predict = add("predict", _predict, "predict the thresholds of a folder's samples with a network that was trained")
    predict.add_argument("name", metavar="NETWORK", help="name of its file in the folder's models/")
    predict.add_argument("--data", type=Path, metavar="FOLDER", help="samples and models (default: data/paper)")

    figures = add("figures", _figures, "redraw the paper's figures from stored data")
    figures.add_argument("--profile", help="draw what results/<profile> holds (default: data/paper, which ships)")

    status = add("status", _status, "say which notebooks are done, running, missing or stale")
    _add_profile(status)

    verify = add("verify", _verify, "check that every stored file is as it was written")
    verify.add_argument("folder", nargs="?", type=Path, help="folder or file to check (default: data/ and results/)")

    image = add("image", _image, "read a patch of silica from an image and map its weak spots")
    image.add_argument("file", type=Path, help="PNG, TIFF, ...; DM3, DM4 and others with rosettasciio")
    image.add_argument("--scale", type=float, metavar="Å", help="edge of a pixel (default: the file's, or estimated)")
    image.add_argument("--dark", action="store_true", help="atoms are dark on a bright ground")
    image.add_argument("--model", help="trained network that predicts a map: a file, or the name of one that ships")
    image.add_argument("--output", type=Path, metavar="FOLDER", help="where to (default: beside the image)")

    explore = add("explore", _explore, "write a page on which a sample can be seen and touched, for any browser")
    explore.add_argument("file", type=Path, help="sample file, such as data/paper/samples/sample_0000.nc")
    explore.add_argument("page", type=Path, help="HTML file to write")
    explore.add_argument("--full", action="store_true", help="every disc's curve and a map after each event: minutes")

    bench = add("bench", _bench, "measure how long things take here, with LAMMPS as the reference")
    bench.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(_BENCHMARKS)} (default: all)")
    bench.add_argument("--probes", metavar="N", type=int, default=200, help="probes timed (default: 200)")
    bench.add_argument(
        "--reference-probes", metavar="N", type=int, default=10, help="how many of them LAMMPS does too (default: 10)"
    )
    bench.add_argument(
        "--reference-steps",
        metavar="N",
        type=int,
        default=20,
        help="of 400 deformation steps, how many LAMMPS does (default: 20)",
    )
    bench.add_argument(
        "--output", metavar="FILE", type=Path, default=Path("bench.json"), help="JSON file (default: bench.json)"
    )
    return parser


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="demo", help="demo, paper or a YAML file of parameters (default: demo)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter; may be repeated"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a dask scheduler, tcp://host:port (default: none)")
    parser.add_argument("--workers", metavar="N", help="number of local workers (default: 0, one per core)")
    parser.add_argument("--output", metavar="FOLDER", help="folder of the results (default: results/<profile>)")


def _changes(given: argparse.Namespace) -> dict[str, object]:
    """Parameters that the command line changes."""
    texts = list(given.set)
    for name in ("scheduler", "workers"):
        if getattr(given, name) is not None:
            texts.append(f"{name}={getattr(given, name)}")
    changes: dict[str, object] = {}
    for text in texts:
        name, value = profiles.assignment(text)
        if name in changes:
            raise ValueError(f"{name}: given twice; once is allowed")
        changes[name] = value
    return changes


def _run(given: argparse.Namespace) -> int:
    begin = time.monotonic()
    changes = _changes(given)
    output = chain.output_folder(given.profile, given.output)
    steps = chain.steps()
    executed: dict[str, float] = {}

    @contextlib.contextmanager
    def watch(step: chain.Step, why: str, expected: float | None) -> Iterator[None]:
        place = f"[{[s.number for s in steps].index(step.number) + 1}/{len(steps)}]"
        print(f"{place} {step.name} ({why})", flush=True)
        start = time.monotonic()
        with _bar(step.name, expected):
            yield
        executed[step.number] = time.monotonic() - start

    try:
        chain.run(given.profile, changes, given.only, given.fresh, output, watch=watch)
    except KeyboardInterrupt:
        executed.clear()  # no table
        raise
    finally:
        if executed:
            _closing_table(steps, given, changes, output, executed)
    if not executed:
        print("Everything is up to date; --fresh starts over.")
    taken = _duration(time.monotonic() - begin)
    print(f"{len(executed)} steps executed in {taken}; results in {_short(output)}")
    return 0


@contextlib.contextmanager
def _bar(name: str, expected: float | None) -> Iterator[None]:
    """Progress bar over a step on a terminal, moved by the clock; nothing without a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from tqdm import tqdm

    shape = "{desc} {elapsed}"
    if expected:
        shape = "{desc} {percentage:3.0f}% |{bar}| {elapsed} of about " + _duration(expected)
    bar = tqdm(total=expected, desc=name, bar_format=shape, leave=False)
    done = threading.Event()

    def tick() -> None:
        start = time.monotonic()
        while not done.wait(0.5):
            bar.n = min(time.monotonic() - start, 0.99 * expected) if expected else 0
            bar.refresh()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        bar.close()


def _closing_table(steps, given, changes, output: Path, executed: dict[str, float]) -> None:
    """Print each step, its time, its verdict and its figures."""
    values = profiles.resolve(given.profile, changes)
    rows = []
    for now in chain.state(steps, values, output):
        record, number = now.record, now.step.number
        time_taken = _duration(executed[number]) if number in executed else chain.progress(now, output)
        rows.append([now.step.name, time_taken, record.get("verdict", ""), _figures_of(record, output)])
    print()
    _table(["step", "time", "verdict", "figure"], rows)


def _figures_of(record: dict, output: Path) -> str:
    made = [path for path in chain.figures(record) if path.endswith(".png")] or chain.figures(record)
    more = f" and {len(made) - 1} more" if len(made) > 1 else ""
    return f"{_short(output / made[0])}{more}" if made else ""


def _table(head: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _duration(seconds: float) -> str:
    """Format a time as progress bars do, with its unit: 01:40 min, 1:02:03 h."""
    from tqdm import tqdm

    return f"{tqdm.format_interval(round(seconds))} {'min' if round(seconds) < 3600 else 'h'}"


def _short(path: Path) -> str:
    """Path as seen from the working folder, where it lies below it."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _status(given: argparse.Namespace) -> int:
    changes = _changes(given)
    values = profiles.resolve(given.profile, changes)
    output = chain.output_folder(given.profile, given.output)
    rows, remaining = [], 0.0
    for now in chain.state(chain.steps(), values, output):
        word, record = chain.progress(now, output), now.record
        expected = chain.expected_seconds(now, given.profile, changes)
        seconds = _since(record["started"]) if word == "running" else record.get("seconds")
        if word != "done":
            spent = seconds if word == "running" else 0.0
            remaining += max(expected - spent, 0.0) if expected is not None else float("nan")
        taken = _duration(seconds) if seconds is not None else ""
        why = "" if word in ("done", "missing", "running") else record.get("error") or now.why
        rows.append(
            [
                now.step.name,
                word,
                taken,
                record.get("finished", ""),
                why.splitlines()[0] if why else "",
            ]
        )
    _table(["step", "state", "time", "finished (UTC)", "why"], rows)
    missing = sum(row[1] != "done" for row in rows)
    estimate = f"about {_duration(remaining)}" if remaining == remaining else "not known before a first run"
    print(f"\n{len(rows) - missing} of {len(rows)} steps done" + (f"; time left: {estimate}" if missing else ""))
    return 0


def _train(given: argparse.Namespace) -> int:
    if given.threads < 1:
        raise ValueError(f"--threads: {given.threads} is not > 0")
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(given.threads)  # read when TensorFlow is imported
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from .compendium import data_set, trained

    begin = time.monotonic()
    data = given.data or chain.root() / "data" / "paper"
    file, sets = trained.model_file(data, given.label or given.name), data_set.read_split(data)
    trained.refuse_to_replace(file, len(sets["train"]))
    checkpoints = given.checkpoints or chain.root() / chain.RESULTS / "training"
    changes = dict(profiles.plain_assignment(text) for text in given.set)

    def report(epoch: int, loss: float, validation_loss: float) -> None:
        spent = _duration(time.monotonic() - begin)
        print(f"epoch {epoch}: loss {loss:.4f}, validation {validation_loss:.4f} ({spent})", flush=True)

    more = {"seed": given.seed, "label": given.label, "checkpoints": checkpoints, "report": report}
    history = trained.train_at_paper_scale(data, given.name, sets, changes, **more)
    losses = history.validation_loss.values
    best, loss = losses.argmin() + 1, losses.min()
    print(f"{_short(file)}: epoch {best} of {history.sizes['epoch']}, validation loss {loss:.4f}")
    return 0


def _predict(given: argparse.Namespace) -> int:
    from .compendium import data_set, model_card, predicted, trained

    data = given.data or chain.root() / "data" / "paper"
    paths = [path for role in data_set.read_split(data).values() for path in role]
    count = trained.predict_all(data, given.name, paths)
    card, file = model_card.write(data, given.name), predicted.file_of(paths[0], given.name)
    files.update_checksums(data, [card, file] if count else [card])
    print(f"{_short(file)}: {len(paths)} samples, {count} predicted now; {_short(card)}")
    return 0


def _since(started: str) -> float:
    """Seconds since a time that the chain wrote down."""
    now = datetime.datetime.now(datetime.UTC)
    return (now - datetime.datetime.fromisoformat(started)).total_seconds()


def _figures(given: argparse.Namespace) -> int:
    from .figures import paper

    if given.profile is None:
        data, drawn = chain.root() / "data" / "paper", chain.root() / "paper_figures"
    else:
        data, drawn = (chain.output_folder(given.profile) / name for name in ("data", "figures"))
    if not data.is_dir():
        raise DataError(f"{_short(data)}: no such folder; listi run makes data")
    found = paper.regenerate(data, drawn)
    missing = sum(bool(problem) for problem in found.values())
    print(f"{len(found) - missing} of {len(found)} figures in {_short(drawn)}")
    return 1 if missing else 0


def _verify(given: argparse.Namespace) -> int:
    folders = [given.folder] if given.folder else [chain.root() / name for name in ("data", chain.RESULTS)]
    found: dict[Path, str] = {}
    for folder in folders:
        if given.folder or folder.is_dir():
            found |= chain.verify(folder)
    wrong = [problem for problem in found.values() if problem]
    for problem in wrong:
        print(f"listi: {problem}", file=sys.stderr)
    print(f"{len(found) - len(wrong)} of {len(found)} files are whole")
    return 1 if wrong else 0


def _image(given: argparse.Namespace) -> int:
    import xarray as xr

    from . import figures
    from .compendium import sample_files
    from .imaging.circle import changed_bonds, gridded, inner_points, relaxed_freely
    from .imaging.picture import patch_in
    from .imaging.read import read_image
    from .learning import models
    from .learning.predict import predict
    from .network.formats import write_extxyz
    from .probing.probe import probe

    if given.model:
        models.find(given.model)  # or it is refused before any work
    folder, stem = given.output or given.file.parent, f"{given.file.stem}_listi"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output: {folder} is a file; it must be a folder")
    image = read_image(given.file)
    imaged = patch_in(image.pixels, image.scale if given.scale is None else given.scale, given.dark)
    patch = relaxed_freely(imaged.patch).patch
    points = inner_points(patch)
    maps = {"probed": gridded(probe(patch, points=points).threshold)}
    if given.model:
        maps["predicted"] = gridded(predict(patch, given.model, points=points).threshold)
    folder.mkdir(parents=True, exist_ok=True)
    made = {"image": given.file.name, "scale": imaged.scale}
    sample_files.save_sample(folder / f"{stem}.nc", patch, predictions=xr.Dataset(maps), attrs={"parameters": made})
    write_extxyz(patch, folder / f"{stem}.xyz")
    drawn = figures.save(figures.overlay(image.pixels, imaged, patch, maps), folder, stem)
    print(f"{len(imaged.silicon)} Si, {len(imaged.patch.bonds)} bonds; a pixel is {imaged.scale:.4g} Å")
    print("repaired:", ", ".join(f"{number} {what}" for what, number in imaged.repairs.items()))
    print("strain of the image taken out: {:.2%} and {:.2%}".format(*imaged.drift))
    print(f"bonds changed by the energy minimum: {changed_bonds(imaged.patch, patch)}")
    print("written:", ", ".join(_short(path) for path in (folder / f"{stem}.nc", folder / f"{stem}.xyz", *drawn)))
    return 0


def _explore(given: argparse.Namespace) -> int:
    from .figures.explorer import explore

    page = explore(given.file, given.full).save(given.page)
    print(f"{_short(page)}: {page.stat().st_size / 1e6:.1f} MB")
    return 0


def _bench(given: argparse.Namespace) -> int:
    from .compendium import bench

    bench.run(given.parts, given.probes, given.reference_probes, given.reference_steps, given.output)
    return 0
