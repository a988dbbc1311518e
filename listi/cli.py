"""Run the chain of notebooks, redraw figures, show its state, verify files, view samples, read images."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import __version__, files
from .compendium import chain, notebooks, profiles, running
from .files import DataError, as_path
from .learning import models
from .mechanics.system import ConvergenceError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 if all went well, 1 if a step failed or a file is damaged, 2 if the command or a
        parameter is refused.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started the process
        sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without the letter Å shows "?" in its place
    try:
        arguments = _parser().parse_args(arguments)
        code = arguments.command(arguments) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of the output has closed it, as `head -1` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _report("interrupted; the same command continues from here", 130)
    except (DataError, ConvergenceError, OSError) as error:
        return _report(f"error: {error}", 1)
    except ValueError as error:
        return _report(f"error: {error}", 2)
    except notebooks.ChainError as error:
        return _report(f"failed: {error}", 1)


def _report(message: str, code: int) -> int:
    print(f"listi: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="listi", description=__doc__)
    parser.add_argument("--version", action="version", version=f"listi {__version__}")
    parser.set_defaults(command=lambda arguments: parser.print_help())
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(command=command)
        return added

    run = add("run", _run, "execute the notebooks that are not up to date, independent ones at the same time")
    _add_profile(run)
    run.add_argument("--only", metavar="NN", help="execute this notebook, or those of a range such as 00-11")
    again = run.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with what is missing (the default)")
    again.add_argument("--fresh", action="store_true", help="start over; with --only: even if it is up to date")

    train = add("train", _train, "train a network at the paper's scale, going on where it was stopped")
    train.add_argument("name", metavar="NETWORK", help=", ".join(models.names()))
    train.add_argument("--data", type=as_path, metavar="FOLDER", help="samples, and models (default: data/paper)")
    train.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting or a size")
    train.add_argument("--label", help="name of a variant's files (default: that of the network)")
    train.add_argument("--seed", type=int, default=0, help="seed of weights and order (default: 0)")
    train.add_argument("--threads", type=int, default=1, help="threads of a training step (default: 1)")
    train.add_argument(
        "--checkpoints",
        type=as_path,
        metavar="FOLDER",
        help="folder of unfinished trainings (default: results/training)",
    )

    predict = add("predict", _predict, "predict the thresholds of a folder's samples with a network that was trained")
    predict.add_argument("name", metavar="NETWORK", help="name of its file in the folder's models/")
    predict.add_argument("--data", type=as_path, metavar="FOLDER", help="samples and models (default: data/paper)")

    figures = add("figures", _figures, "redraw the paper's figures from stored data")
    figures.add_argument("--profile", help="draw what results/<profile> holds (default: data/paper, which ships)")

    status = add("status", _status, "show which notebooks are done, running, missing or stale")
    _add_profile(status)

    verify = add("verify", _verify, "check that every stored file is as it was written")
    verify.add_argument("folder", nargs="?", type=as_path, help="folder or file to check (default: data/ and results/)")

    image = add("image", _image, "read a patch of silica from an image and map its weak spots")
    image.add_argument("file", type=as_path, help="PNG, TIFF, ...; DM3, DM4 and others with rosettasciio")
    image.add_argument("--scale", type=float, metavar="Å", help="edge of a pixel (default: by the file, or estimated)")
    image.add_argument("--dark", action="store_true", help="atoms are dark on a bright ground")
    image.add_argument("--frame", type=int, metavar="N", help="which image, from 0, of a file that holds several")
    image.add_argument(
        "--model",
        default="listi",
        help="trained network that predicts a map: a file, or the name of one that ships (default: listi)",
    )
    image.add_argument(
        "--output", type=as_path, metavar="FOLDER", help="folder of the results (default: that of the image)"
    )

    explore = add("explore", _explore, "write an interactive HTML viewer of a sample, for any browser")
    explore.add_argument("file", type=as_path, help="sample file, such as data/paper/samples/sample_0000.nc")
    explore.add_argument("page", type=as_path, help="HTML file to write")
    explore.add_argument("--full", action="store_true", help="every disc's curve and a map after each event: minutes")

    bench = add("bench", _bench, "measure run times on this machine, each relative to a reference")
    bench.add_argument("parts", nargs="*", metavar="PART", help="generation, probing, ... (default: all)")
    bench.add_argument("--no-lammps", action="store_true", help="leave out the comparison with LAMMPS")
    bench.add_argument("--output", metavar="FILE", type=as_path, default=Path("bench.json"), help="default: bench.json")
    return parser


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="demo", help="demo, paper or a YAML file of parameters (default: demo)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter; may be repeated"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a dask scheduler, tcp://host:port (default: none)")
    parser.add_argument("--workers", metavar="N", help="number of local workers (default: 0, one per core)")
    parser.add_argument("--output", metavar="FOLDER", help="folder of the results (default: results/<profile>)")


def _changes(arguments: argparse.Namespace) -> dict[str, object]:
    """Parameters that the command line changes."""
    texts = list(arguments.set)
    for name in ("scheduler", "workers"):
        if getattr(arguments, name) is not None:
            texts.append(f"{name}={getattr(arguments, name)}")
    changes: dict[str, object] = {}
    for text in texts:
        name, value = profiles.assignment(text)
        if name in changes:
            raise ValueError(f"{name}: given twice; once is allowed")
        changes[name] = value
    return changes


def _run(arguments: argparse.Namespace) -> int:
    begin = time.monotonic()
    changes = _changes(arguments)
    values = profiles.resolve(arguments.profile, changes)
    output = chain.output_folder(arguments.profile, arguments.output)
    chosen = running.choose(notebooks.steps(), arguments.only)
    states = chain.state(notebooks.steps(), values, output)
    seconds = running.expected_seconds(states, arguments.profile, changes)
    needed = {current.step.number for current in states if current.step in chosen and (current.why or arguments.fresh)}
    progress = _Progress({number: seconds[number] for number in sorted(needed)}, output)
    executed = progress.seconds
    try:
        options = {"only": arguments.only, "fresh": arguments.fresh, "output": output}
        running.run(arguments.profile, changes, **options, watch=progress)
    finally:
        progress.close()
        if executed and sys.exc_info()[0] is not KeyboardInterrupt:
            _closing_table(chosen, values, output, executed)
    if not executed:
        print("Everything is up to date; --fresh starts over.")
    print(f"{len(executed)} steps executed in {_duration(time.monotonic() - begin)}; results in {_short(output)}")
    return 0


class _Progress(running.Watch):
    """Prints a line when a step begins and ends; on a terminal, a bar below them shows what is being executed."""

    def __init__(self, expected: Mapping[str, float | None], output: Path) -> None:
        self.expected, self.output, self.steps = expected, output, notebooks.steps()
        self.cells: dict[str, str] = {}  # what is being executed
        self.begun: dict[str, float] = {}
        self.seconds: dict[str, float] = {}  # of the steps that have ended
        self.start, self.done, self.bar = time.monotonic(), threading.Event(), None
        if expected:
            print(f"Steps to execute: {len(expected)}{self._time_left()}", flush=True)
        if sys.stderr.isatty():
            from tqdm import tqdm

            shape = "{elapsed}{desc}" if None in expected.values() else "{percentage:3.0f}% |{bar:20}| {elapsed}{desc}"
            self.bar = tqdm(total=1.0, bar_format=shape, leave=False, dynamic_ncols=True)
            self.thread = threading.Thread(target=self._tick, daemon=True)
            self.thread.start()

    def close(self) -> None:
        """Remove the bar."""
        self.done.set()
        if self.bar is not None:
            self.thread.join()
            self.bar.close()

    def begin(self, step: notebooks.Step, why: str) -> None:
        self.begun[step.number], self.cells[step.number] = time.monotonic(), step.name
        self._print(f"{step.name} begins ({why})")

    def cell(self, step: notebooks.Step, number: int, count: int) -> None:
        self.cells[step.number] = f"{step.name} cell {number}/{count}"

    def end(self, step: notebooks.Step, record: Mapping) -> None:
        self.seconds[step.number] = record["seconds"]
        del self.cells[step.number]
        picture = _figures_of(record, self.output)
        failed = "failed" if record["state"] == "failed" else "done"
        self._print(f"{step.name} {failed} in {_duration(record['seconds'])}{picture and f': {picture}'}")

    def _print(self, line: str) -> None:
        if self.bar is not None:
            self.bar.write(line)  # above the bar
        else:
            print(line, flush=True)

    def _tick(self) -> None:
        while not self.done.wait(0.5):
            doing = ", ".join(list(self.cells.values())) or "reading notebooks"
            self.bar.set_description_str(f"{self._time_left()}: {doing}")

    def _time_left(self) -> str:
        """Text on the time left; empty if it is not known. Moves the bar."""
        if None in self.expected.values():
            return ""
        now = time.monotonic()
        spent = {number: now - begin for number, begin in self.begun.items()}
        left = {number: seconds for number, seconds in self.expected.items() if number not in self.seconds}
        left = {number: max(seconds - spent.get(number, 0.0), 0.0) for number, seconds in left.items()}
        seconds = running.time_left(self.steps, left)
        if self.bar is not None:
            self.bar.n = (now - self.start) / (now - self.start + seconds + 1.0)
        return f", about {_duration(seconds)} left"


def _closing_table(chosen: list[notebooks.Step], values: Mapping, output: Path, executed: Mapping[str, float]) -> None:
    """Print each step, its time, its verdict and its figures."""
    rows = []
    for current in chain.state(notebooks.steps(), values, output):
        if current.step.number not in {step.number for step in chosen}:
            continue
        record, number = current.record, current.step.number
        time_taken = _duration(executed[number]) if number in executed else chain.progress(current, output)
        rows.append([current.step.name, time_taken, record.get("verdict", ""), _figures_of(record, output)])
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


def _status(arguments: argparse.Namespace) -> int:
    changes = _changes(arguments)
    values = profiles.resolve(arguments.profile, changes)
    output = chain.output_folder(arguments.profile, arguments.output)
    steps = notebooks.steps()
    states = chain.state(steps, values, output)
    expected = running.expected_seconds(states, arguments.profile, changes)
    rows, remaining = [], {}
    for current in states:
        word, record = chain.progress(current, output), current.record
        seconds = _since(record["started"]) if word == "running" else record.get("seconds")
        if word != "done":
            spent = seconds if word == "running" else 0.0
            remaining[current.step.number] = max((expected[current.step.number] or float("nan")) - spent, 0.0)
        taken = _duration(seconds) if seconds is not None else ""
        why = "" if word in ("done", "missing", "running") else record.get("error") or current.why
        rows.append([current.step.name, word, taken, record.get("finished", ""), why.partition("\n")[0]])
    _table(["step", "state", "time", "finished (UTC)", "why"], rows)
    line = f"\n{len(rows) - len(remaining)} of {len(rows)} steps done"
    if remaining:
        known = all(seconds == seconds for seconds in remaining.values())
        left = f"about {_duration(running.time_left(steps, remaining))}" if known else "not known before a first run"
        line += f"; time left: {left}"
    print(line)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    if arguments.threads < 1:
        raise ValueError(f"--threads: {arguments.threads} is not > 0")
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(arguments.threads)  # read when TensorFlow is imported
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from .compendium import data_set, trained

    begin = time.monotonic()
    data = arguments.data or notebooks.root() / "data" / "paper"
    file, sets = trained.model_file(data, arguments.label or arguments.name), data_set.read_split(data)
    trained.refuse_to_replace(file, len(sets["train"]))
    checkpoints = arguments.checkpoints or notebooks.root() / chain.RESULTS / "training"
    changes = dict(profiles.plain_assignment(text) for text in arguments.set)

    def report(epoch: int, loss: float, validation_loss: float) -> None:
        spent = _duration(time.monotonic() - begin)
        print(f"epoch {epoch}: loss {loss:.4f}, validation {validation_loss:.4f} ({spent})", flush=True)

    more = {"seed": arguments.seed, "label": arguments.label, "checkpoints": checkpoints, "report": report}
    history = trained.train_at_paper_scale(data, arguments.name, sets, changes, **more)
    losses = history.validation_loss.values
    best, loss = losses.argmin() + 1, losses.min()
    print(f"{_short(file)}: epoch {best} of {history.sizes['epoch']}, validation loss {loss:.4f}")
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    from .compendium import data_set, model_card, predicted, trained

    data = arguments.data or notebooks.root() / "data" / "paper"
    paths = [path for role in data_set.read_split(data).values() for path in role]
    count = trained.predict_all(data, arguments.name, paths)
    card, file = model_card.write(data, arguments.name), predicted.file_of(paths[0], arguments.name)
    files.update_checksums(data, [card, file] if count else [card])
    print(f"{_short(file)}: {len(paths)} samples, {count} predicted now; {_short(card)}")
    return 0


def _since(started: str) -> float:
    """Seconds since a time that the chain wrote down."""
    now = datetime.datetime.now(datetime.UTC)
    return (now - datetime.datetime.fromisoformat(started)).total_seconds()


def _figures(arguments: argparse.Namespace) -> int:
    from .figures import paper

    if arguments.profile is None:
        data, drawn = notebooks.root() / "data" / "paper", notebooks.root() / "paper_figures"
    else:
        data, drawn = (chain.output_folder(arguments.profile) / name for name in ("data", "figures"))
    if not data.is_dir():
        raise DataError(f"{_short(data)}: no such folder; listi run makes data")
    problems = paper.regenerate(data, drawn)
    missing = sum(bool(problem) for problem in problems.values())
    print(f"{len(problems) - missing} of {len(problems)} figures in {_short(drawn)}")
    return 1 if missing else 0


def _verify(arguments: argparse.Namespace) -> int:
    folders = [arguments.folder] if arguments.folder else [notebooks.root() / name for name in ("data", chain.RESULTS)]
    checked: dict[Path, str] = {}
    for folder in folders:
        if arguments.folder or folder.is_dir():
            checked |= chain.verify(folder)
    if not checked:
        raise DataError("neither data/ nor results/ is here; name a folder or a file")
    problems = [problem for problem in checked.values() if problem]
    for problem in problems:
        print(f"listi: {problem}", file=sys.stderr)
    print(f"{len(checked) - len(problems)} of {len(checked)} files are unchanged")
    return 1 if problems else 0


def _image(arguments: argparse.Namespace) -> int:
    from . import figures
    from .compendium import sample_files
    from .imaging.mapped import map_image
    from .imaging.read import read_image
    from .network.formats import write_extxyz

    folder = arguments.output or arguments.file.parent
    stem = f"{arguments.file.stem}_{arguments.file.suffix[1:].lower()}_listi"
    _refuse_unwritable(folder, "--output")
    image = read_image(arguments.file, arguments.frame)
    scale = image.scale if arguments.scale is None else arguments.scale
    mapped = map_image(image.pixels, scale, arguments.dark, arguments.model)
    folder.mkdir(parents=True, exist_ok=True)
    made = {"parameters": {"image": arguments.file.name, "scale": mapped.imaged.scale}}
    sample_files.save_sample(folder / f"{stem}.nc", mapped.patch, predictions=mapped.to_dataset(), attrs=made)
    write_extxyz(mapped.patch, folder / f"{stem}.xyz")
    drawn = figures.save(figures.overlay(image.pixels, mapped.imaged, mapped.patch, mapped.maps), folder, stem)
    if image.scale is not None:
        replaced = "" if arguments.scale is None else "; --scale replaces it"
        print(f"a pixel is {image.scale:.4g} Å by the file{replaced}")
    print(mapped.summary())
    print("written:", ", ".join(_short(path) for path in (folder / f"{stem}.nc", folder / f"{stem}.xyz", *drawn)))
    return 0


def _refuse_unwritable(folder: Path, name: str) -> None:
    """Refuse, before any work, a folder in which results cannot be written."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ValueError(f"{name}: {folder} is not allowed; {existing} is a file, a folder is needed")
    if not os.access(existing, os.W_OK):
        raise ValueError(f"{name}: {folder} is not allowed; {existing} cannot be written")


def _explore(arguments: argparse.Namespace) -> int:
    from .figures.explorer import explore

    _refuse_unwritable(arguments.page.parent, "page")
    page = explore(arguments.file, arguments.full).save(arguments.page)
    print(f"{_short(page)}: {page.stat().st_size / 1e6:.1f} MB")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from .compendium import bench

    _refuse_unwritable(arguments.output.parent, "--output")
    bench.run(arguments.parts, arguments.output, not arguments.no_lammps)
    return 0
