"""The way to dask: the same results by threads, processes and a real cluster, also when workers die."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask.system
import numpy as np
import pytest
from distributed import Client

from listi import parallel
from listi.compendium import making, sample_files
from listi.probing import probe

HERE = Path(__file__).parent
STRUCTURE = {"nx": 8, "ny": 10, "alpha": 0.3, "box": "as-generated", "seed": 5}
SHEAR = {"strain_step": 1e-3, "max_strain": 0.005, "n_events": 1, "fields": False}
PROBES = {"grid_x": 2, "grid_y": 1, "r_free": 6.0}
SCHEDULER, WORKER = "distributed.cli.dask_scheduler", "distributed.cli.dask_worker"


def start(module, *arguments):
    """Start a process of a cluster that can import what stands here."""
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", module, *arguments, "--no-dashboard"]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def processes():
    """A scheduler and three workers, as processes on loopback; the first element is the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    started = [start(SCHEDULER, "--host", "127.0.0.1", "--port", port)]
    started += [start(WORKER, address, "--nthreads", "1", "--no-nanny") for _ in range(3)]
    yield address, *started
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(processes):
    """Address of the scheduler."""
    return processes[0]


def square(number):
    return number * number


def refuse_three(number):
    if number == 3:
        raise ValueError("three is refused")
    return number


def thread(_):
    time.sleep(0.01)
    return threading.get_ident()


def fatal_once(item):
    """Note that it ran; the first time that number 4 is asked for, its worker is killed."""
    folder, number = item
    runs = Path(folder, f"{number}")
    with runs.open("a") as file:
        file.write("x")
    time.sleep(0.2)  # what ran before has been collected by now
    if number == 4 and runs.read_text() == "x":
        os.kill(os.getpid(), signal.SIGKILL)
    return number, number**0.5


def fatal(number):
    time.sleep(0.2)
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def sleep(item):
    Path(item[0], str(os.getpid())).touch()
    time.sleep(60)


@pytest.mark.parametrize("how", ["threads", "cluster"])
def test_results_come_in_the_order_of_the_items(how, cluster):
    more = {"scheduler": cluster} if how == "cluster" else {"workers": 2}
    assert parallel.run(square, range(20), **more) == [n * n for n in range(20)]
    assert parallel.run(square, [], **more) == []
    with pytest.raises(ValueError, match="three is refused"):
        parallel.run(refuse_three, range(9), **more)


def test_as_many_workers_as_cores_by_default(monkeypatch):
    """Of those that a container may use, too."""
    assert len(set(parallel.run(thread, range(8), workers=np.int64(3)))) == 3
    monkeypatch.setattr(dask.system, "_try_extract_cgroup_cpu_quota", lambda: (100_000, 100_000))
    assert len(set(parallel.run(thread, range(8)))) == 1


def test_tasks_run_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert parallel.run(square, range(3), workers=1) == [0, 1, 4]


FORKED = """
import multiprocessing, test_parallel
run, arguments = test_parallel.parallel.run, (test_parallel.thread, range(8), None, 2)
print(len(run(*arguments)))
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(len(pool.apply_async(run, arguments).get(20)))
"""


def test_processes_that_are_forked_have_threads():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    done = subprocess.run([sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True)
    assert done.stdout == "8\n8\n", done.stderr


SBATCH = """#!/bin/bash
cp "${@: -1}" "$0.$$"  # dask-jobqueue removes its script as soon as sbatch returns
setsid bash "$0.$$" > /dev/null 2>&1 &
echo "Submitted batch job $!"
"""


def test_workers_that_are_batch_jobs(tmp_path, monkeypatch):
    """As notebook 13 does under SLURM, whose commands are stood in for: a job is a process here."""
    from dask_jobqueue import SLURMCluster

    for name, text in {"sbatch": SBATCH, "scancel": '#!/bin/bash\nkill -- "-$1"\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]), prepend=os.pathsep)
    options = {"dashboard": False, "host": "127.0.0.1"}
    with SLURMCluster(cores=1, processes=1, memory="1GB", scheduler_options=options) as slurm:
        assert "#SBATCH" in slurm.job_script()
        slurm.scale(jobs=2)
        slurm.wait_for_workers(2, timeout=60)
        done = parallel.run(where, [(str(tmp_path), n) for n in range(8)], slurm.scheduler_address)
    assert [number for number, _ in done] == list(range(8))
    assert len({pid for _, pid in done} - {os.getpid()}) == 2


def where(item):
    """Wait until two processes have been here; return the number and the process."""
    folder, number = item
    Path(folder, f"{os.getpid()}.pid").touch()
    wait_until(lambda: len(list(Path(folder).glob("*.pid"))) == 2)
    return number, os.getpid()


def make_one(item):
    """Make, shear and probe a sample; return its name and the sums of all its variables."""
    folder, number = item
    path = Path(folder) / f"sample_{number:04d}.nc"
    making._generate_one((path, STRUCTURE | {"number": number}))
    making._deform_one((path, SHEAR))
    making._probe_one((path, PROBES))
    return path.name, sample_files.variable_checksums(path)


def make(folder, **how):
    return dict(parallel.run(make_one, [(str(folder), number) for number in range(3)], **how))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return make(tmp_path_factory.mktemp("alone"), workers=1)


@pytest.mark.parametrize("how", ["threads", "processes", "cluster"])
def test_the_same_bits_by_whomever_they_are_made(how, alone, tmp_path, request):
    more = {"processes": how == "processes", "workers": 2}
    if how == "cluster":
        more = {"scheduler": request.getfixturevalue("cluster")}
    assert make(tmp_path, **more) == alone
    assert len(alone) == 3 and all("probing/threshold" in sums for sums in alone.values())


def test_blocks_of_probes_have_the_same_bits(glass, cluster, monkeypatch):
    points = np.random.default_rng(0).uniform(0, 1, (6, 2)) * glass.cell
    whole = probe.probe(glass, points=points, r_free=6.0, workers=1)
    monkeypatch.setattr(probe, "BLOCK", 2)
    for how in ({"workers": 2}, {"scheduler": cluster}):
        assert whole.identical(probe.probe(glass, points=points, r_free=6.0, **how))


def test_a_scheduler_that_is_not_there_is_named_soon(monkeypatch):
    monkeypatch.setattr(parallel, "TIMEOUT", 0.5)
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match="tcp://127.0.0.1:1 does not answer within 0.5 s"):
        parallel.run(square, range(3), "tcp://127.0.0.1:1")
    assert time.monotonic() - begin < 5


def test_a_worker_that_is_killed_costs_its_task_only(cluster, tmp_path):
    results = parallel.run(fatal_once, [(str(tmp_path), n) for n in range(12)], cluster)
    assert results == [(n, n**0.5) for n in range(12)]
    again = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert again == {str(n): "xx" if n == 4 else "x" for n in range(12)}


@pytest.mark.parametrize("how", ["processes", "cluster"])
def test_workers_that_are_killed_again_and_again_are_named(how, cluster):
    """As by the system when memory runs out; a task may cost a cluster several workers, here one."""
    more = {"processes": True, "workers": 1} if how == "processes" else {"scheduler": cluster}
    with Client(cluster, set_as_default=False) as client:
        client.run_on_scheduler(allow_no_failures)
    with pytest.raises(ConnectionError, match=r"^(scheduler: workers of tcp.* were|workers: a process was) killed"):
        parallel.run(fatal, range(3), **more)


def allow_no_failures(dask_scheduler):
    dask_scheduler.allowed_failures = 0


def test_a_scheduler_that_goes_away_is_named_soon(processes, tmp_path):
    address, scheduler, *_ = processes  # it is gone after this: the last test that needs it
    watch = [sys.executable, "-c", KILL_WHEN_BUSY, str(tmp_path), str(scheduler.pid)]
    with subprocess.Popen(watch), pytest.raises(ConnectionError, match=f"{address} went away"):
        parallel.run(sleep, [(str(tmp_path),)] * 3, address)


KILL_WHEN_BUSY = """
import os, pathlib, signal, sys, time
while not any(pathlib.Path(sys.argv[1]).iterdir()):
    time.sleep(0.05)
os.kill(int(sys.argv[2]), signal.SIGKILL)
"""

ORPHANED = """
import sys
sys.path.insert(0, sys.argv[2])
import test_parallel
if __name__ == "__main__":
    test_parallel.parallel.run(test_parallel.sleep, [(sys.argv[1],)] * 4, workers=2, processes=True)
"""


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(ORPHANED)
    busy = tmp_path / "busy"
    busy.mkdir()
    command = [sys.executable, str(script), str(busy), str(HERE)]
    parent = subprocess.Popen(command, start_new_session=True)
    wait_until(lambda: len(list(busy.iterdir())) == 2, 120)  # two interpreters start
    parent.kill()
    parent.wait()
    workers = [int(path.name) for path in busy.iterdir()]
    wait_until(lambda: not any(is_running(worker) for worker in workers), 5)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid):
    """Whether there is such a process; one that has ended but was not waited for is none."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"workers": 0}, "workers: 0 is not a whole number > 0"),
        ({"workers": 1.5}, "workers: 1.5 is not"),
        ({"workers": True}, "workers: True is not"),
        ({"scheduler": "cluster:8786"}, "scheduler: 'cluster:8786' is not an address"),
        ({"scheduler": threading}, "scheduler: <module .* that of a cluster is its scheduler_address"),
    ],
)
def test_refusals(how, message):
    with pytest.raises(ValueError, match=message):
        parallel.run(square, [1], **how)
