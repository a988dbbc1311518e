"""The `listi` command: exit codes, what it prints, and that it costs little to ask."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_notebooks import ALL, write

from listi import cli, files
from listi.compendium import bench, chain, running
from listi.figures import explorer, paper
from listi.learning import models
from listi.mechanics.system import ConvergenceError

PACKAGE = Path(cli.__file__).parent


@pytest.fixture
def command(checkout, executed, capsys):
    """Run the command in the small checkout; return exit code, output and errors."""

    def call(*arguments):
        code = cli.main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_closing_table_says_step_time_verdict_and_figure(command):
    code, printed, errors = command("run")
    lines = printed.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("step"))
    assert lines[head].split() == ["step", "time", "verdict", "figure"]
    assert [line[:2] for line in lines[head + 2 : head + 6]] == ALL
    assert all("as it should be" in line for line in lines[head + 2 : head + 6])
    assert lines[head + 4].endswith("results/demo/figures/figure.png")
    assert code == 0 and errors == "" and lines[1] == "01_make begins (not run)"
    assert re.fullmatch(r"Steps to execute: 4, about 00:0\d min left", lines[0])
    assert any(re.fullmatch(r"03_draw done in 00:0\d min: results/demo/figures/figure.png", line) for line in lines)


def test_a_bar_shows_what_is_executed_and_the_time_left(command, checkout, monkeypatch):
    """From the first second on."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    in_fixture = running.execute

    def slow(path, target, values, on_cell):
        on_cell(2, 4)
        time.sleep(1.2)
        return in_fixture(path, target, values, on_cell)

    monkeypatch.setattr(running, "execute", slow)
    monkeypatch.setattr(sys, "stderr", terminal)
    code, printed, _ = command("run", "--only", "1-2")
    shown = terminal.getvalue()
    assert code == 0 and "01_make begins (not run)" in printed
    assert re.search(r"\d\d% \|.*00:0\d, about 00:0\d min left: 01_make cell 2/4", shown)
    assert "02_measure cell 2/4" in shown and "03_draw" not in shown


def test_second_run_says_so(command):
    command("run")
    code, printed, _ = command("run")
    assert code == 0 and printed.startswith("Everything is up to date")


def test_status_before_and_after(command, monkeypatch):
    for cores, time_left in ((1, "00:06"), (4, "00:04")):  # the longest of the three that need one another: 4.5 s
        monkeypatch.setattr(running, "cpu_count", lambda cores=cores: cores)
        code, printed, _ = command("status")
        assert code == 0 and f"0 of 4 steps done; time left: about {time_left} min" in printed
    command("run")
    assert "4 of 4 steps done" in command("status")[1]
    changed = command("status", "--set", "n_events=3")[1].splitlines()
    assert [line.split()[1] for line in changed[2:6]] == ["done", "stale", "stale", "done"]
    assert "parameters changed" in changed[3]


def test_status_of_a_run_in_progress_and_of_one_that_was_killed(command, checkout):
    command("run")
    output = checkout / "results" / "demo"
    place = output / "chain" / "02.json"
    record = files.read_json(place) | {"state": "running", "started": "2026-01-01T00:00:00+00:00"}
    files.write_json(place, {k: v for k, v in record.items() if k != "seconds"})
    with files.locked(output):
        lines = command("status")[1].splitlines()
        assert lines[3].split()[:2] == ["02_measure", "running"] and " h" in lines[3]
    lines = command("status")[1].splitlines()
    assert lines[3].split()[:2] == ["02_measure", "interrupted"] and "was interrupted" in lines[3]


def test_verify_names_what_is_wrong(command, checkout):
    command("run")
    code, printed, errors = command("verify")
    assert code == 0 and errors == "" and "12 of 12 files are unchanged" in printed
    path = checkout / "results" / "demo" / "data" / "measured.json"
    path.write_text(path.read_text().replace("6", "5"))
    for arguments in (["verify"], ["verify", str(checkout / "results")]):
        code, printed, errors = command(*arguments)
        assert code == 1 and "11 of 12" in printed and f"{path}: altered" in errors
    assert command("verify", "nowhere")[0] == 1
    (checkout / "empty").mkdir()
    code, printed, errors = command("verify", "empty")
    assert (code, printed) == (1, "")
    assert errors == "listi: error: empty: nothing to check: no .nc, .json, .keras file, and no SHA256SUMS\n"


@pytest.mark.parametrize("error", [PermissionError(13, "not permitted", "data"), ConvergenceError("does not converge")])
def test_an_error_is_one_sentence(command, monkeypatch, error):
    def fail(folder):
        raise error

    monkeypatch.setattr(chain, "verify", fail)
    assert command("verify", ".") == (1, "", f"listi: error: {error}\n")


def test_workers_and_scheduler_are_parameters(command, checkout):
    assert command("run", "--workers", "3", "--scheduler", "tcp://127.0.0.1:8786")[0] == 0
    written = files.read_json(checkout / "results" / "demo" / "parameters.json")["parameters"]
    assert (written["workers"], written["scheduler"]) == (3, "tcp://127.0.0.1:8786")


def test_output_and_profile_file(command, checkout):
    (checkout / "quick.yaml").write_text("n_events: 2\n")
    assert command("run", "--profile", "quick.yaml")[0] == 0
    assert (checkout / "results" / "quick" / "data" / "measured.json").is_file()
    assert command("run", "--profile", "quick.yaml", "--output", "elsewhere")[0] == 0
    assert (checkout / "elsewhere" / "figures" / "figure.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--set", "nx=3"], 2, "listi: error: nx: 3 is not allowed"),
        (["run", "--set", "nx=24", "--set", "nx=26"], 2, "nx: given twice; once is allowed"),
        (["run", "--workers", "two"], 2, "workers: 'two' is not allowed"),
        (["run", "--scheduler", "cluster"], 2, "scheduler: 'cluster' is not allowed"),
        (["run", "--profile", "dmeo"], 2, "profile: 'dmeo' is not allowed; it must be demo, paper"),
        (["run", "--only", "7"], 2, "only: '7' is not allowed; it must be one of 01, 02, 03, 04"),
        (["run", "--only", "02-07"], 2, "only: '02-07' is not allowed"),
        (
            ["explore", "sample.nc", "notebooks/01_make.ipynb/page.html"],
            2,
            "01_make.ipynb is a file, a folder is needed",
        ),
        (["bench", "--output", "notebooks/01_make.ipynb/x.json"], 2, "01_make.ipynb is a file, a folder is needed"),
        (["bench", "speed"], 2, "PART: 'speed' is not allowed; it must be one of generation, relaxation"),
        (
            ["image", "a.png", "--output", "notebooks/01_make.ipynb/out"],
            2,
            "01_make.ipynb is a file, a folder is needed",
        ),
        (["verify"], 1, "neither data/ nor results/ is here"),
        (["run", "--set", "r_free=50"], 2, "r_free: 50.0 is not allowed; it must be at most"),
        (["status", "--set", "nx=3"], 2, "nx: 3 is not allowed"),
        (["figures"], 1, "data/paper: no such folder"),
        (["run", "--output", "notebooks"], 1, "01_make.ipynb, which listi run did not make"),
    ],
)
def test_refusals(command, checkout, arguments, code, message):
    returned, _, errors = command(*arguments)
    assert returned == code and message in errors and errors.count("\n") == 1
    assert {path.name for path in checkout.iterdir()} == {"notebooks", "pyproject.toml"}


COMMANDS = next(action.choices for action in cli._parser()._actions if action.metavar == "COMMAND")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([*name.split(), "--help"])
    assert end.value.code == 0 and f"usage: listi {name}".strip() in capsys.readouterr().out


def test_bench_prints_and_stores_what_it_measured(command, checkout, monkeypatch):
    monkeypatch.setattr(bench, "PARTS", {"quick": lambda with_lammps: bench._compared("this", 2.0, "other", 3.0)})
    monkeypatch.setattr(bench.lammps, "start", lambda: None)
    code, printed, _ = command("bench", "quick")
    assert code == 0 and printed.split() == ["quick", "this", "2", "s", "other", "3", "s", "other", "/", "this", "1.5"]
    stored = files.read_json(checkout / "bench.json")
    assert stored["parts"] == {"quick": [["this", 2.0, "s"], ["other", 3.0, "s"], ["other / this", 1.5, ""]]}
    assert stored["processor"]


def test_bench_refuses_a_missing_lammps_before_any_work(command, checkout, monkeypatch):
    def missing():
        raise RuntimeError("LAMMPS is not installed here")

    monkeypatch.setattr(bench.lammps, "start", missing)
    monkeypatch.setattr(bench, "PARTS", {"quick": lambda with_lammps: [("work", 1.0, "s")]})
    code, printed, errors = command("bench")
    assert (code, printed) == (2, "") and errors.startswith("listi: error: LAMMPS is not installed here; or leave it")
    assert command("bench", "--no-lammps")[0] == 0


@pytest.mark.parametrize("part", ["relaxation", "probing", "generation"])
def test_benchmarks_measure(part, glass, monkeypatch):
    monkeypatch.setattr(bench, "_glass", lambda nx=40, ny=48: (glass, 1.0))
    monkeypatch.setattr(bench, "GENERATED", ((10, 12),))
    monkeypatch.setattr(bench, "N_PROBES", 2)
    rows = bench.PARTS[part](with_lammps=False)
    assert rows and all(value > 0 or value != value for _, value, _ in rows)


def test_help_of_train_lists_the_networks(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert set(models.names()) <= set(re.findall(r"\w+", capsys.readouterr().out))


def test_explore_writes_a_page_and_refuses_what_is_no_sample(command, checkout, monkeypatch):
    page = explorer.Explorer("<p>page</p>", b"")
    asked = []
    monkeypatch.setattr(explorer, "explore", lambda *of: asked.append(of) or page)
    code, printed, _ = command("explore", "sample.nc", "page.html", "--full")
    assert code == 0 and printed == "page.html: 0.0 MB\n" and asked == [(Path("sample.nc"), True)]
    assert (checkout / "page.html").read_text() == "<p>page</p>"
    monkeypatch.undo()
    code, _, errors = command("explore", str(checkout / "none.nc"), "page.html")
    assert code == 1 and "none.nc" in errors and errors.count("\n") == 1


def test_resume_excludes_fresh(command):
    with pytest.raises(SystemExit) as refusal:
        cli.main(["run", "--resume", "--fresh"])
    assert refusal.value.code == 2


def test_figures_are_drawn_from_stored_data(command, checkout, monkeypatch):
    drawn, found = [], {"figure_1": "", "figure_2": ""}
    monkeypatch.setattr(paper, "regenerate", lambda *folders: drawn.append(folders) or found)
    (checkout / "data" / "paper").mkdir(parents=True)
    command("run")
    assert command("figures")[0] == command("figures", "--profile", "demo")[0] == 0
    results = checkout / "results" / "demo"
    assert drawn == [
        (checkout / "data" / "paper", checkout / "paper_figures"),
        (results / "data", results / "figures"),
    ]
    found["figure_2"] = "no data"
    code, printed, _ = command("figures")
    assert code == 1 and printed == "1 of 2 figures in paper_figures\n"


def test_import_is_cheap_and_the_function_stays_a_function():
    script = (
        "import sys, listi, listi.analysis.prediction_goodness, listi.cli;"
        "assert callable(listi.goodness) and callable(listi.generate);"
        "heavy = {'tensorflow', 'keras', 'spektral', 'matplotlib', 'papermill', 'nbformat'};"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def in_own_process(*arguments, **more):
    path = os.pathsep.join([str(PACKAGE.parent), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path, **more.pop("env", {})}
    command = [sys.executable, "-m", "listi", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_ctrl_c_ends_a_run_with_one_sentence(checkout, command):
    slow = "import pathlib, time; pathlib.Path('../../../begun').touch(); time.sleep(600)"
    write("02_measure", ["n_events: int = 6  # events"], slow, ["01"])
    process = in_own_process("run", start_new_session=True)
    begun, until = checkout / "begun", time.monotonic() + 120
    while not begun.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and to the notebook's kernel
    _, errors = process.communicate(timeout=60)
    assert errors == "listi: interrupted; the same command continues from here\n"
    assert process.returncode == 130
    code, printed, errors = command("status")
    assert code == 0, errors
    assert printed.splitlines()[3].split()[:2] == ["02_measure", "interrupted"]


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(checkout):
    process = in_own_process("status")
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 1


def test_a_terminal_without_the_letter_shows_help():
    process = in_own_process("image", "--help", env={"PYTHONIOENCODING": "ascii"})
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "--scale ?" in printed and errors == ""


def test_commands_work_without_standard_error(command, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["status"]) == 0 and cli.main(["verify", "nowhere"]) == 1


def test_without_a_command_there_is_help(command):
    code, printed, errors = command()
    assert code == 0 and printed.startswith("usage: listi") and errors == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "00:00 min"), (99.6, "01:40 min"), (3599.7, "1:00:00 h"), (90061, "25:01:01 h")]
)
def test_durations_have_one_format(seconds, text):
    assert cli._duration(seconds) == text


def test_module_is_the_command():
    command = [sys.executable, "-m", "listi", "run", "--set", "nx=3"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("listi: error: nx: 3 is not allowed")
