"""Real workers, real processes: every run is executed once, and what is killed comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotations.database import open_database
from annotations.runs import RunStore
from explain_core.records import Run
from tests.annotations.server import postgres

ROOT = Path(__file__).resolve().parents[2]
WORK = Path(__file__).with_name("work.py")
SHORT_RUNS = 200
PATIENCE_S = 120
Started = subprocess.Popen[str]
Start = Callable[..., Started]


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition; fails where it does not come."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.01)


class Bench:
    """A table of runs, a ledger that they write, and a gate that some wait at."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.database = open_database(self.url)
        self.store = RunStore(self.database)
        self.gate = folder / "gate"

    def submit(self, kind: str, **spec: object) -> Run:
        paths = {"ledger": str(self.folder / "ledger"), "gate": str(self.gate)}
        out = self.folder / f"{kind}-{len(self.store.find())}"
        return self.store.submit(kind, {**paths, **spec}, title=kind, out=out)

    @property
    def ledger(self) -> list[str]:
        path = self.folder / "ledger"
        return path.read_text().split() if path.exists() else []

    def begun(self, times: int = 1) -> None:
        until(lambda: self.ledger.count("begun") >= times, f"beginning number {times}")

    def state(self, run: Run) -> str:
        return self.store.get(run.id).state


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'rhoscope.db'}"
    else:
        yield from postgres()


@pytest.fixture
def bench(tmp_path: Path, url: str) -> Iterator[Bench]:
    made = Bench(tmp_path, url)
    yield made
    made.database.engine.dispose()


@pytest.fixture
def start(bench: Bench) -> Iterator[Start]:
    """Starts a worker beside; none is left behind."""
    workers: list[Started] = []

    def started(
        at_once: int = 1, lost_after: float = 60.0, grace: float = 60.0, call: str = "", devices: str = "cpu"
    ) -> Started:
        pace = [str(at_once), str(lost_after), str(grace), devices]
        command = [sys.executable, str(WORK), bench.url, *pace, *filter(None, [call])]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        workers.append(worker)
        return worker

    yield started
    for worker in workers:
        worker.kill()
        worker.communicate()


def ended(*workers: Started) -> list[int]:
    """How many runs each of them ended; all went well."""
    said = [worker.communicate(timeout=PATIENCE_S)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return [int(text) for text in said]


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
def test_two_workers_on_one_queue_execute_each_run_once(bench: Bench, start: Start) -> None:
    runs = [bench.submit("short", number=number) for number in range(SHORT_RUNS)]
    counts = ended(start(at_once=4), start(at_once=4))
    assert Counter(bench.ledger) == Counter(str(number) for number in range(SHORT_RUNS))
    found = [bench.store.get(run.id) for run in runs]
    assert {(run.state, run.attempt, run.progress) for run in found} == {("done", 1, 1.0)}
    assert sum(counts) == SHORT_RUNS
    assert min(counts) > 0
    assert len({run.worker for run in found}) == 2


@pytest.mark.parametrize("call", ["begun", "beat", "recover"])
def test_a_worker_killed_between_two_writes_loses_nothing(bench: Bench, start: Start, call: str) -> None:
    run = bench.submit("gated")
    killed = start(call=call)
    killed.wait(PATIENCE_S)
    assert killed.returncode == -signal.SIGKILL
    state = bench.state(run)
    assert state == ("waiting" if call == "recover" else "running")
    bench.gate.touch()
    (count,) = ended(start(lost_after=0.5))
    found = bench.store.get(run.id)
    assert (count, found.state, found.losses) == (1, "done", int(state == "running"))
    assert bench.ledger.count("ended") == 1


def test_a_run_dies_with_its_worker(bench: Bench, start: Start) -> None:
    run = bench.submit("gated")
    worker = start()
    bench.begun()
    until(lambda: bench.store.get(run.id).pid is not None, "its process")
    pid = bench.store.get(run.id).pid or 0
    worker.kill()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists(), "its end")
    bench.gate.touch()
    ended(start(lost_after=0.5))
    found = bench.store.get(run.id)
    assert (found.state, found.attempt, bench.ledger) == ("done", 2, ["begun", "begun", "ended"])


def test_a_worker_killed_after_the_last_write_does_nothing_again(bench: Bench, start: Start) -> None:
    run = bench.submit("short", number=1)
    killed = start(call="fail")  # what it says of a run whose process has ended
    killed.wait(PATIENCE_S)
    assert (bench.state(run), bench.ledger) == ("done", ["1"])
    assert ended(start(lost_after=0.5)) == [0]
    assert bench.ledger == ["1"]


def test_cancelled_and_tried_again(bench: Bench, start: Start) -> None:
    run = bench.submit("gated")
    worker = start()
    bench.begun()
    bench.store.ask_cancel(run.id)
    ended(worker)
    found = bench.store.get(run.id)
    assert (found.state, found.note, bench.ledger) == ("cancelled", "at the gate", ["begun", "goodbye"])
    bench.gate.touch()
    bench.store.retry(run.id)
    ended(start())
    found = bench.store.get(run.id)
    assert (found.state, found.attempt) == ("done", 2)
    assert bench.store.curves(run.id) == {"loss": ([1], [0.5])}
    assert found.log.read_text().count("attempt") == 2


def test_one_that_never_looks_up_is_killed(bench: Bench, start: Start) -> None:
    run = bench.submit("stubborn")
    worker = start(grace=0.5)
    bench.begun()
    bench.store.ask_cancel(run.id)
    ended(worker)
    assert bench.state(run) == "cancelled"


@pytest.mark.parametrize("kind", ["gated", "stubborn"])
def test_a_worker_asked_to_stop_hands_its_run_back(bench: Bench, start: Start, kind: str) -> None:
    run = bench.submit(kind)
    worker = start(grace=0.5)
    bench.begun()
    worker.terminate()
    assert ended(worker) == [1]
    found = bench.store.get(run.id)
    assert (found.state, found.losses, found.worker) == ("waiting", 0, None)
    bench.gate.touch()
    ended(start())
    assert bench.state(run) == "done"


def test_no_more_run_at_once_than_were_asked_for(bench: Bench, start: Start) -> None:
    runs = [bench.submit("gated") for _ in range(5)]
    workers = [start(at_once=2), start(at_once=2)]
    bench.begun(2)
    until(lambda: len({run.worker for run in bench.store.find(states=["running"])}) > 0, "a worker")
    assert len(bench.store.find(states=["running"])) == 2
    bench.gate.touch()
    assert sum(ended(*workers)) == 5
    assert {bench.state(run) for run in runs} == {"done"}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("user", "postgresql://me:***@host/name in ~: give another."),
        ("ours", "Unexpected ValueError in kinds.py, line"),
        ("killed", "ended by SIGKILL (often: out of memory)"),
        ("silent", "ended with code 0 and without a word"),
        ("exit", "Unexpected SystemExit"),
        ("cancelled", "nobody asked for that"),
    ],
)
def test_a_failure_is_told_in_one_line_without_secrets(bench: Bench, start: Start, fault: str, told: str) -> None:
    run = bench.submit("faulty", fault=fault)
    assert ended(start()) == [1]
    found = bench.store.get(run.id)
    assert found.state == "failed"
    assert told in str(found.error)
    assert [word for word in ("\n", "secret", "Jane") if word in str(found.error)] == []


def test_a_run_has_a_session_of_its_own_and_no_torch(bench: Bench, start: Start) -> None:
    bench.submit("torchless")
    ended(start())
    assert bench.ledger == ["False", "cpu", "True"]


def test_runs_are_spread_over_the_devices(bench: Bench, start: Start) -> None:
    """A worker asks no device whether it is there; so that four are at work can be seen without any."""
    runs = [bench.submit("gated") for _ in range(6)]
    worker = start(at_once=2, devices="cuda:0,cuda:1")
    bench.begun(4)
    under_way = bench.store.find(states=["running"])
    assert Counter(run.device for run in under_way) == {"cuda:0": 2, "cuda:1": 2}
    bench.gate.touch()
    assert ended(worker) == [6]
    assert {bench.state(run) for run in runs} == {"done"}


def test_a_second_device_takes_work_before_the_first_takes_more(bench: Bench, start: Start) -> None:
    for _ in range(2):
        bench.submit("gated")
    worker = start(at_once=2, devices="cuda:0,cuda:1")
    bench.begun(2)
    assert {run.device for run in bench.store.find(states=["running"])} == {"cuda:0", "cuda:1"}
    bench.gate.touch()
    assert ended(worker) == [2]


def test_a_run_waits_for_the_device_that_it_wants(bench: Bench, start: Start) -> None:
    ledger, wanted = str(bench.folder / "ledger"), {}
    for name in ("cpu", "cuda", "cuda:1"):
        spec, out = {"ledger": ledger, "number": name}, bench.folder / name
        wanted[name] = bench.store.submit("short", spec, title=name, out=out, wants=name)
    assert ended(start(devices="cuda:0,cuda:1")) == [2]
    found = {name: bench.store.get(run.id) for name, run in wanted.items()}
    assert (found["cpu"].state, found["cuda"].state) == ("waiting", "done")
    assert (found["cuda:1"].state, found["cuda:1"].device) == ("done", "cuda:1")
