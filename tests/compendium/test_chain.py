"""The chain: what runs, what does not, what a run leaves, what a killed one goes on with."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from toy_notebooks import ALL, ALONE, MAKE, MEASURE, write

from listi import files
from listi.compendium import chain, notebooks, profiles, running


def run(executed, *arguments, **settings):
    """Run the chain and return the numbers of the steps that were executed, sorted."""
    executed.clear()
    running.run(*arguments, **settings)
    return sorted(name[:2] for name in executed)


def test_runs_all_in_order_and_leaves_what_it_should(checkout, executed):
    before = {path: path.read_bytes() for path in (checkout / "notebooks").iterdir()}
    states = running.run("demo", {"seed": 3})
    assert sorted(executed) == ["01_make", "02_measure", "03_draw", "04_alone"]
    assert [name for name in executed if name != "04_alone"] == ["01_make", "02_measure", "03_draw"]
    assert [state.why for state in states] == [""] * 4
    assert {path: path.read_bytes() for path in (checkout / "notebooks").iterdir()} == before
    results = checkout / "results" / "demo"
    found = {path.relative_to(results).as_posix() for path in files.files_in(results)}
    made = {"data/samples/sample_0000.nc", "data/measured.json", "figures/figure.png", "parameters.json"}
    assert made <= found and {f"chain/{n}.json" for n in ALL} <= found
    assert files.read_json(results / "parameters.json")["parameters"]["seed"] == 3
    record = states[2].record
    assert record["verdict"] == "as it should be" and record["seconds"] > 0
    assert chain.figures(record) == ["figures/figure.png"]
    assert record["made"].keys() == {"figures/figure.png", "notebooks/03_draw.ipynb"}
    assert not any(chain.verify(results).values())


def test_runs_only_what_a_change_touches(checkout, executed):
    assert run(executed) == ALL
    assert run(executed) == []
    assert run(executed, changes={"n_events": 5}) == ["02", "03"]
    assert run(executed, changes={"n_events": 5, "alpha": 0.2, "workers": 2}) == ["04"]
    assert run(executed, changes={"n_events": 5, "gcn_epochs": 3}) == ["04"]  # alpha is back
    assert run(executed) == ["02", "03"]
    for path in checkout.rglob("*.*"):
        os.utime(path)
    assert run(executed) == []


def test_runs_what_another_text_code_or_comment_touches(checkout, executed):
    alpha = ["alpha: float = 0.3  # alpha"]
    run(executed)
    write("04_alone", alpha, ALONE, [], text="# Better worded")
    assert run(executed) == ["04"]
    data = ["seed: int = 0  # seed", "data_dir: str = 'data'  # data"]
    write("01_make", data, MAKE + "# a comment\n", [])
    assert run(executed) == ["01"], "its data are the same, so nothing after it runs"
    write("02_measure", ["n_events: int = 6  # x", data[1]], MEASURE + "n_atoms += 1\n", ["01"])
    assert run(executed) == ["02"]


def test_a_step_runs_again_when_a_module_that_it_imports_has_changed(checkout, executed, monkeypatch):
    goodness = "listi/analysis/prediction_goodness.py"
    source = chain.PACKAGE.parent / goodness
    in_fixture = running.execute
    sums = {"02_measure": {goodness: files.sha256(source)}}
    monkeypatch.setattr(running, "execute", lambda path, *more: (in_fixture(path, *more)[0], sums.get(path.stem, {})))
    run(executed)
    assert run(executed) == []
    changed = checkout / goodness
    changed.parent.mkdir(parents=True)
    changed.write_text(source.read_text().replace("1.0 - ", "1.0 + ", 1))
    monkeypatch.setattr(chain, "PACKAGE", checkout / "listi")
    states = chain.state(notebooks.steps(), profiles.resolve("demo"), checkout / "results" / "demo")
    assert [state.why for state in states] == ["", f"{goodness} changed", "needs 02, which is not up to date", ""]


def test_only_what_a_step_makes_counts_as_made_by_it(checkout, executed):
    """Not the figure that it made under another name, and nothing that someone put into the folder."""
    run(executed)
    output = checkout / "results" / "demo"
    (output / "figures" / "mine.png").write_text("x")
    (output / "data" / "mine.json").write_text("x")
    renamed = Path("notebooks/03_draw.ipynb")
    renamed.write_text(renamed.read_text().replace('\\"figure\\"', '\\"renamed\\"'))
    assert run(executed) == ["03"]
    record = files.read_json(output / "chain" / "03.json")
    assert chain.figures(record) == ["figures/renamed.png"]
    run(executed, fresh=False, only="02")
    (output / "figures" / "mine.png").unlink()
    assert run(executed) == []


def test_steps_that_do_not_need_one_another_run_at_the_same_time(checkout, executed, monkeypatch):
    """The first may use all cores, the second half of them."""
    both, workers = threading.Barrier(2), {}
    in_fixture = running.execute

    def execute(template, target, values, on_cell):
        if template.stem in ("01_make", "04_alone"):
            both.wait(30)
        workers[template.stem] = values.get("workers")
        return in_fixture(template, target, values, on_cell)

    monkeypatch.setattr(running, "execute", execute)
    monkeypatch.setattr(running, "cpu_count", lambda: 8)
    write("01_make", ["seed: int = 0  # s", "data_dir: str = 'd'  # d", "workers: int = 0  # w"], MAKE, [])
    write("04_alone", ["alpha: float = 0.3  # alpha", "workers: int = 0  # w"], ALONE, [])
    assert run(executed) == ALL
    assert (workers["01_make"], workers["04_alone"]) == (8, 4)
    assert run(executed, fresh=True, changes={"workers": 3}) == ALL
    assert (workers["01_make"], workers["04_alone"]) == (3, 3)


def test_after_a_failure_running_steps_are_executed_to_their_end(checkout, executed, monkeypatch):
    failed = threading.Event()
    in_fixture = running.execute

    def execute(template, target, values, on_cell):
        if template.stem == "04_alone":
            failed.set()
            raise notebooks.ChainError("04_alone.ipynb, cell 3: as it must be here")
        failed.wait(30)
        time.sleep(0.2)
        return in_fixture(template, target, values, on_cell)

    monkeypatch.setattr(running, "execute", execute)
    monkeypatch.setattr(running, "cpu_count", lambda: 2)
    with pytest.raises(notebooks.ChainError, match="04_alone.ipynb, cell 3"):
        running.run()
    output = checkout / "results" / "demo"
    states = chain.state(notebooks.steps(), profiles.resolve("demo"), output)
    assert [chain.progress(state, output) for state in states] == ["done", "missing", "missing", "failed"]


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("data/samples/sample_0000.nc", ["01"]),
        ("data/measured.json", ["02"]),
        ("figures/figure.png", ["03"]),
        ("notebooks/04_alone.ipynb", ["04"]),
        ("chain/02.json", ["02"]),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_damaged_or_missing_files_are_made_again(checkout, executed, name, again, damage):
    run(executed)
    path = checkout / "results" / "demo" / name
    whole = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(whole[:-9] + b"x" + whole[-8:])
    if name != "chain/02.json" or damage == "altered":
        problems = [p for p, problem in chain.verify(checkout / "results").items() if problem]
        assert problems == [path]
    assert run(executed)[:1] == again
    assert run(executed) == []
    assert not any(chain.verify(checkout / "results").values())


def test_only_and_fresh(checkout, executed):
    with pytest.raises(notebooks.ChainError, match=r"02_measure needs 01_make, .*: not run"):
        running.run(only="2")
    assert run(executed, only="04") == ["04"]
    assert run(executed, only="01") == ["01"]
    assert run(executed, only="02") == ["02"]
    assert run(executed, only="02") == []
    assert run(executed, only="02", fresh=True) == ["02"]
    assert run(executed, fresh=True) == ALL
    assert run(executed, only="1-3", fresh=True) == ["01", "02", "03"]
    for refused in ("9", "3-1", "1-"):
        with pytest.raises(
            ValueError, match=f"only: '{refused}' is not allowed; it must be one of 01, 02, 03, 04, or a"
        ):
            running.run(only=refused)


def test_failed_step_stops_the_chain_and_is_tried_again(checkout, executed):
    with pytest.raises(AssertionError):
        running.run(changes={"alpha": 0.9})
    output = checkout / "results" / "demo"
    states = chain.state(notebooks.steps(), profiles.resolve("demo", {"alpha": 0.9}), output)
    assert chain.progress(states[3], output) == "failed" and states[3].record["error"] == "alpha is too large"
    assert "04" in run(executed, changes={"alpha": 0.4})
    assert run(executed, changes={"alpha": 0.4}) == []


def test_second_run_in_the_same_folder_stops(checkout, executed):
    refusal = pytest.raises(files.DataError, match=f"in use by process {os.getpid()}")
    with files.locked(checkout / "results" / "demo"), refusal:
        running.run()
    assert executed == []


def test_data_made_by_hand_are_taken_on(checkout, executed):
    running.run()
    for path in [*checkout.rglob("chain/*.json"), *checkout.rglob("parameters.json")]:
        path.unlink()
    before = (checkout / "results" / "demo" / "data" / "samples" / "sample_0000.nc").read_bytes()
    assert run(executed) == ALL
    assert (checkout / "results" / "demo" / "data" / "samples" / "sample_0000.nc").read_bytes() == before
    assert run(executed) == []


def test_folders_of_others_are_left_alone(checkout, executed):
    (checkout / "mine").mkdir()
    (checkout / "mine" / "thesis.tex").write_text("x")
    for fresh in (False, True):
        with pytest.raises(notebooks.ChainError, match=r"holds thesis.tex, which listi run did not make"):
            running.run(output=checkout / "mine", fresh=fresh)
    assert [path.name for path in (checkout / "mine").iterdir()] == ["thesis.tex"]


def test_nothing_is_removed_from_a_folder_that_no_run_made(checkout, executed):
    own = checkout / "mine" / "data" / "thesis.tex"  # in a folder of a name that a run makes
    own.parent.mkdir(parents=True)
    own.write_text("x")
    with pytest.raises(notebooks.ChainError, match=r"mine: has no parameters.json, so listi run did not make it"):
        running.run(output=checkout / "mine", fresh=True)
    assert [path for path in (checkout / "mine").rglob("*") if path.is_file()] == [own]


@pytest.mark.parametrize(
    ("lines", "needs", "message"),
    [
        (["seeed: int = 0"], [], "seeed: no parameter has this name; did you mean seed?"),
        (["seed: float = 0.0"], [], "seed: type float is not allowed; it must be int"),
        (["nx: int = 3"], [], "nx: 3 is not allowed"),
        (["seed: int = 0"], ["03"], "needs 03; allowed are earlier steps: 01"),
        (["seed: int = 0"], None, "metadata.listi.needs is missing"),
    ],
)
def test_notebook_that_disagrees_with_the_table_is_named(checkout, executed, lines, needs, message):
    write("02_measure", lines, MEASURE, needs)
    if needs is None:
        text = Path("notebooks/02_measure.ipynb").read_text()
        Path("notebooks/02_measure.ipynb").write_text(text.replace('"needs"', '"need"'))
    with pytest.raises(notebooks.ChainError, match=f"02_measure.ipynb: {message}"):
        running.run()
    assert executed == [] and not (checkout / "results").exists()


def test_real_kernel_gets_parameters_and_reports_the_failing_cell(checkout):
    with pytest.raises(notebooks.ChainError) as failure:
        running.run(changes={"alpha": 0.9}, only="04")
    message = "04_alone.ipynb, cell 3 (In [3]): AssertionError: alpha is too large"
    assert str(failure.value) == message
    output = checkout / "results" / "demo"
    assert "alpha is too large" in (output / "notebooks" / "04_alone.ipynb").read_text()
    assert "alpha = 0.9" in (output / "notebooks" / "04_alone.ipynb").read_text()
    assert not list(output.rglob(".*.ipynb"))


def test_real_kernel_reports_what_it_imported(checkout):
    write("04_alone", ["alpha: float = 0.3  # alpha"], "from listi.network import units", [])
    running.run(only="04")
    code = files.read_json(checkout / "results" / "demo" / "chain" / "04.json")["code"]
    assert code["listi/network/units.py"] == files.sha256(chain.PACKAGE / "network" / "units.py")
    assert "listi/__init__.py" in code and "listi/cli.py" not in code


def test_killed_and_started_again_ends_as_if_it_had_not_been(checkout):
    slow = "import time\ntime.sleep(0.3)\n"
    data = ["n_events: int = 6  # events", "data_dir: str = 'data'  # data"]
    write("02_measure", data, slow + MEASURE + slow, ["01"])
    for name in ("03_draw", "04_alone"):
        Path("notebooks", f"{name}.ipynb").unlink()
    script = "from listi.compendium import running\nprint('ready', flush=True)\nrunning.run(output='killed')"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(chain.__file__).parents[2])]),
    }
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[1])
    numbers = random.Random(0)
    for _ in range(3):
        command = [sys.executable, "-c", script]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(numbers.uniform(1.0, 4.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(1.5)  # an orphaned kernel ends within a second
    states = running.run(output="killed")
    whole = running.run(output="whole")
    assert [state.why for state in states] == [""] * 2
    assert not any(chain.verify(checkout / "killed").values())
    for one, other in zip(states, whole, strict=True):
        data = [{k: v for k, v in state.record["made"].items() if k.startswith("data/")} for state in (one, other)]
        assert data[0] == data[1]
