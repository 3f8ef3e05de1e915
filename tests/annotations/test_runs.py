"""A run's life in the table, on a clock that only the test moves."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest

from annotations.runs import MOST_LOSSES, RunStore
from explain_core.errors import InputError
from explain_core.records import Run
from tests.annotations.conftest import START, Clock

LOST_AFTER = 60.0


def submitted(store: RunStore, clock: Clock, title: str = "one", wants: str = "auto") -> Run:
    clock.pass_by(1)
    return store.submit("count", {"to": 3}, title=title, wants=wants)


def claimed(store: RunStore, worker: str = "w", device: str = "cpu", at_once: int = 10) -> Run | None:
    return store.claim(worker, "here", device, kinds=["count"], at_once=at_once)


@pytest.fixture
def running(store: RunStore, clock: Clock) -> Run:
    submitted(store, clock)
    run = claimed(store)
    assert run is not None
    return run


def test_a_new_run_waits(store: RunStore, tmp_path: Path) -> None:
    run = store.submit("count", {"to": 3}, title="  two\nlines ")
    assert (run.state, run.title, run.spec, run.created) == ("waiting", "two lines", {"to": 3}, START)
    assert run.folder == tmp_path / "runs" / run.id
    assert store.get(run.id) == store.get(run.id[:4]) == run


def test_the_oldest_goes_first_and_to_one_worker(store: RunStore, clock: Clock) -> None:
    first, second = submitted(store, clock), submitted(store, clock)
    clock.pass_by(5)
    got = [claimed(store, worker) for worker in "abc"]
    assert [run and (run.id, run.worker) for run in got] == [(first.id, "a"), (second.id, "b"), None]
    assert got[0] is not None
    assert (got[0].state, got[0].attempt, got[0].started, got[0].device) == ("running", 1, clock.now, "cpu")


def test_a_run_waits_for_its_device_and_kind(store: RunStore, clock: Clock) -> None:
    other, mine = submitted(store, clock, wants="cuda"), submitted(store, clock, wants="cpu")
    assert store.claim("w", "here", "cpu", kinds=["sum"], at_once=1) is None
    run = claimed(store)
    assert run is not None
    assert run.id == mine.id
    assert claimed(store) is None
    assert store.get(other.id).state == "waiting"


def test_no_more_run_at_once_than_a_device_may(store: RunStore, clock: Clock) -> None:
    for _ in range(6):
        submitted(store, clock)
    on_cpu = [claimed(store, worker, at_once=2) for worker in "abc"]
    assert [run is not None for run in on_cpu] == [True, True, False]
    assert claimed(store, "a", device="cuda", at_once=1) is not None  # another device
    assert store.claim("a", "there", "cpu", kinds=["count"], at_once=1) is not None  # another machine
    assert on_cpu[0] is not None
    store.finish(on_cpu[0])
    assert claimed(store, "c", at_once=2) is not None


def test_progress_points_and_what_remains(store: RunStore, running: Run, clock: Clock) -> None:
    assert running.remaining(clock.now) is None
    clock.pass_by(10)
    assert store.report(running, 0.25, "epoch 1 of 4", [(1, {"loss": 2.0, "psi": 0.5}), (2, {"loss": math.nan})])
    found = store.get(running.id)
    assert (found.progress, found.note) == (0.25, "epoch 1 of 4")
    assert found.remaining(clock.now) == pytest.approx(30)
    assert store.curves(running.id) == {"loss": ([1, 2], [2.0, None]), "psi": ([1], [0.5])}


def test_a_step_done_again_counts_once(store: RunStore, running: Run) -> None:
    store.report(running, 0.5, "", [(1, {"loss": 3.0}), (2, {"loss": 2.0})])
    store.report(running, 0.5, "", [(2, {"loss": 1.5}), (3, {"loss": 1.0})])
    assert store.curves(running.id) == {"loss": ([1, 2, 3], [3.0, 1.5, 1.0])}


def test_done(store: RunStore, running: Run, clock: Clock) -> None:
    assert store.finish(running, [(9, {"loss": 0.0})])
    found = store.get(running.id)
    assert (found.state, found.progress, found.finished) == ("done", 1.0, clock.now)
    assert store.curves(running.id) == {"loss": ([9], [0.0])}
    assert not store.finish(running)


def test_failed_and_tried_again(store: RunStore, running: Run) -> None:
    store.report(running, 0.5)
    store.fail(running, "out of\nmemory")
    failed = store.get(running.id)
    assert (failed.state, failed.error) == ("failed", "out of memory")
    again = store.retry(running.id)
    assert (again.state, again.error, again.out) == ("waiting", None, running.out)
    run = claimed(store)
    assert run is not None
    assert (run.id, run.attempt, run.base) == (running.id, 2, 0.5)


def test_cancelled_while_it_waits(store: RunStore, clock: Clock) -> None:
    run = submitted(store, clock)
    assert store.ask_cancel(run.id).state == "cancelled"
    assert claimed(store) is None
    assert store.retry(run.id).state == "waiting"
    assert claimed(store) is not None


def test_cancelled_while_it_runs(store: RunStore, running: Run) -> None:
    assert store.beat([running]) == {running.id: "go on"}
    assert store.ask_cancel(running.id).state == "running"
    assert store.beat([running]) == {running.id: "cancel"}
    assert store.stopped(running)
    assert store.get(running.id).state == "cancelled"


def test_handed_back_it_waits_without_blame(store: RunStore, running: Run) -> None:
    assert store.stopped(running)
    found = store.get(running.id)
    assert (found.state, found.attempt, found.losses) == ("waiting", 1, 0)


def test_a_lost_run_comes_back_and_the_lost_worker_has_no_say(store: RunStore, running: Run, clock: Clock) -> None:
    clock.pass_by(LOST_AFTER - 1)
    assert store.recover(LOST_AFTER) == []
    clock.pass_by(2)
    (back,) = store.recover(LOST_AFTER)
    assert (back.id, back.state, back.losses) == (running.id, "waiting", 1)
    other = claimed(store, "other")
    assert other is not None
    assert store.beat([running]) == {running.id: "lost"}
    said = [store.finish(running), store.fail(running, "no"), store.stopped(running), store.report(running, 0.9)]
    assert said == [False] * 4
    assert (store.get(running.id).worker, store.get(running.id).state) == ("other", "running")


def test_a_heartbeat_keeps_a_run(store: RunStore, running: Run, clock: Clock) -> None:
    for _ in range(3):
        clock.pass_by(LOST_AFTER - 1)
        store.beat([running])
    assert store.recover(LOST_AFTER) == []


def test_lost_again_and_again_it_is_interrupted(store: RunStore, running: Run, clock: Clock) -> None:
    states = []
    for _ in range(MOST_LOSSES):
        clock.pass_by(LOST_AFTER + 1)
        states += [run.state for run in store.recover(LOST_AFTER)]
        claimed(store)
    assert states == ["waiting"] * (MOST_LOSSES - 1) + ["interrupted"]
    assert "lost 3 times" in str(store.get(running.id).error)
    assert store.retry(running.id).losses == 0


def test_lost_after_it_was_asked_to_stop_it_is_cancelled(store: RunStore, running: Run, clock: Clock) -> None:
    store.ask_cancel(running.id)
    clock.pass_by(LOST_AFTER + 1)
    assert [run.state for run in store.recover(LOST_AFTER)] == ["cancelled"]


def test_two_runs_never_share_a_folder(store: RunStore, tmp_path: Path) -> None:
    first = store.submit("count", {"to": 1}, title="a", out=tmp_path / "same")
    with pytest.raises(InputError, match="same is waiting already"):
        store.submit("count", {"to": 1}, title="b", out=tmp_path / "same")
    store.ask_cancel(first.id)
    second = store.submit("count", {"to": 1}, title="b", out=tmp_path / "same")
    with pytest.raises(InputError, match="waiting already"):
        store.retry(first.id)
    store.ask_cancel(second.id)
    store.retry(first.id)


def test_what_does_not_fit_is_said(store: RunStore, running: Run) -> None:
    with pytest.raises(InputError, match="Device 'tpu'"):
        store.submit("count", {}, title="x", wants="tpu")
    with pytest.raises(InputError, match="No run 'zzz'"):
        store.get("zzz")
    with pytest.raises(InputError, match="No run ''"):
        store.get("")
    with pytest.raises(InputError, match="No run '%'"):
        store.get("%")
    with pytest.raises(InputError, match="is running: only one that ended"):
        store.retry(running.id)
    store.finish(running)
    with pytest.raises(InputError, match="is done: only one that waits"):
        store.ask_cancel(running.id)


def test_found_by_kind_and_state_the_newest_first(store: RunStore, clock: Clock) -> None:
    runs = [submitted(store, clock, title=str(number)) for number in range(3)]
    claimed(store)
    assert [run.title for run in store.find()] == ["2", "1", "0"]
    assert [run.title for run in store.find(states=["waiting"], most=1)] == ["2"]
    assert [run.id for run in store.find(kind="count", states=["running"])] == [runs[0].id]
    assert store.find(kind="sum") == []


def test_nothing_is_left_when_all_have_ended(store: RunStore, clock: Clock) -> None:
    assert store.nothing_left("cpu", ["count"])
    submitted(store, clock)
    assert not store.nothing_left("cpu", ["count"])
    assert store.nothing_left("cpu", ["sum"])
    run = claimed(store)
    assert run is not None
    assert not store.nothing_left("cpu", ["count"])
    assert store.nothing_left("cuda", ["count"])
    store.finish(run)
    assert store.nothing_left("cpu", ["count"])


def test_an_older_folder_becomes_a_run_untouched(store: RunStore, tmp_path: Path) -> None:
    store.adopt("count", tmp_path / "old.run", "interrupted", spec={}, ended=START)
    (run,) = store.find()
    assert (run.title, run.state, run.out) == ("old", "interrupted", str(tmp_path / "old.run"))
    with pytest.raises(InputError, match="from a shell"):
        store.retry(run.id)
    store.adopt("count", tmp_path / "old.run", "done", spec={}, ended=START)
    assert [(found.id, found.state, found.progress) for found in store.find()] == [(run.id, "done", 1.0)]
    assert not (tmp_path / "old.run").exists()


def test_a_run_of_ours_is_not_adopted(store: RunStore, running: Run) -> None:
    store.adopt("count", running.folder, "done", spec={}, ended=START)
    assert [run.state for run in store.find()] == ["running"]


def test_a_store_travels_to_another_process(store: RunStore, running: Run) -> None:
    there: RunStore = pickle.loads(pickle.dumps(store))
    assert there.get(running.id) == running
    there._database.engine.dispose()
