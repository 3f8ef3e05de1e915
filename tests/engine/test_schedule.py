"""Who comes next, and in which company; no thread, so every slice is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from explain_core.data.images import image_key
from explain_core.engine.batches import Row, make_row
from explain_core.engine.jobs import Job
from explain_core.engine.library import Held, hold
from explain_core.engine.schedule import MOST_SUSPENDED, OLDEST_EVERY, Scheduler
from explain_core.errors import MemoryExhausted
from explain_core.models.classifier import Classifier
from explain_core.records import Floats
from tests.engine.walking import Walk, WalkParams

CPU = torch.device("cpu")


class Desk:
    """A scheduler, and rows for it."""

    def __init__(self, model: Classifier, pictures: Sequence[Floats], memory: int | None = None) -> None:
        self.walk, self.pictures = Walk(), pictures
        self.held: Held = hold(model, "tiny", CPU, {})
        self.scheduler = Scheduler(CPU, memory)
        self.finished: list[Row] = []

    def row(self, steps: int, picture: int = 0, priority: int = 0, rho: float | None = None) -> Row:
        pixels = self.pictures[picture]
        job = Job("tiny", self.held.card.sha256, "walk", image_key(pixels), 1, WalkParams(steps), rho)
        return make_row(self.held, {"walk": self.walk.method}, job, pixels, priority)

    def add(self, *rows: Row) -> None:
        for row in rows:
            self.scheduler.add(row)

    def work(self, slices: int = 10_000) -> list[Row]:
        """Slices until nothing is left; the rows in the order in which they were finished."""
        for _ in range(slices):
            run = self.scheduler.pick()
            if run is None:
                break
            run.step()
            self.finished += self.scheduler.settle(run)
        return self.finished


@pytest.fixture
def desk(tiny: Classifier, pictures: list[Floats]) -> Desk:
    return Desk(tiny, pictures)


def test_the_shortest_question_comes_first(desk: Desk) -> None:
    long, short, middle = desk.row(30), desk.row(3), desk.row(10)
    desk.add(long, short, middle)
    assert desk.work() == [short, middle, long]


def test_a_short_question_cuts_in(desk: Desk) -> None:
    long, short = desk.row(100), desk.row(5, 1)
    desk.add(long)
    desk.work(slices=20)
    desk.add(short)
    assert desk.work()[0] is short
    assert long.state == "done"


def test_priority_beats_length(desk: Desk) -> None:
    short, urgent = desk.row(3, priority=1), desk.row(20)
    desk.add(short, urgent)
    assert desk.work() == [urgent, short]


def test_waiting_rows_of_a_group_are_one_batch(desk: Desk) -> None:
    desk.add(*[desk.row(4, picture, rho=rho) for picture in range(4) for rho in (0.1, 0.2)], desk.row(4))
    desk.work()
    assert sorted(desk.walk.chunks) == [1, 8]


def test_rows_of_different_urgency_do_not_wait_for_each_other(desk: Desk) -> None:
    path = [desk.row(4, rho=rho, priority=1) for rho in (0.1, 0.2, 0.3)]
    now = desk.row(4, rho=0.05)
    desk.add(*path, now)
    assert desk.work()[0] is now


def test_chunks_are_even(desk: Desk) -> None:
    desk.scheduler = Scheduler(CPU, most_rows=6)
    desk.add(*[desk.row(2, i % 8) for i in range(13)])
    desk.work()
    assert desk.walk.chunks == [5, 4, 4]


def test_memory_bounds_a_chunk(tiny: Classifier, pictures: list[Floats]) -> None:
    need = Desk(tiny, pictures).row(2).nbytes
    desk = Desk(tiny, pictures, memory=3 * need + need // 2)
    desk.add(*[desk.row(2, i) for i in range(8)])
    desk.work()
    assert desk.walk.chunks == [3, 3, 2]


def test_what_does_not_fit_even_alone_is_told_so(tiny: Classifier, pictures: list[Floats]) -> None:
    need = Desk(tiny, pictures).row(2).least
    desk = Desk(tiny, pictures, memory=need - 1)
    desk.add(desk.row(2), desk.row(2, 1))
    assert [row.state for row in desk.work()] == ["failed", "failed"]
    assert "raise the limit (--memory, or RHOSCOPE_MEMORY)" in str(desk.finished[0].error)
    desk = Desk(tiny, pictures, memory=need)
    desk.add(desk.row(2))
    assert desk.work()[0].state == "done"


def test_suspended_runs_leave_room_for_the_step_at_hand(tiny: Classifier, pictures: list[Floats]) -> None:
    """Between steps a row holds less than at one, so two fit where each alone has a third more than it needs."""
    one = Desk(tiny, pictures).row(2)
    for memory, cuts_in in ((one.least + one.between, True), (one.least + one.between - 1, False)):
        desk = Desk(tiny, pictures, memory=memory)
        long, short = desk.row(30), desk.row(3, 1)
        desk.add(long)
        desk.work(slices=2)
        desk.add(short)
        assert (desk.work()[0] is short) == cuts_in


def test_the_estimate_counts_what_autograd_keeps(desk: Desk) -> None:
    """Kept for one 16 × 16 picture: z (3), its convolution's input (3), both activations (8, 12), each once."""
    row = desk.row(2)
    kept = desk.held.density * row.pixels.size / (16 * 16)
    # per pixel: the normalised picture, the first ReLU's output, and a quarter of the second's (stride 2)
    at_least = 4 * (3 + 8 + 12 / 4)
    assert at_least <= kept <= 2 * at_least
    assert row.nbytes == int(row.pixels.size * (3 * desk.held.density + 4 * 16))


def test_a_stream_of_short_questions_does_not_starve_a_long_one(desk: Desk) -> None:
    long = desk.row(15)
    desk.add(long)
    for slice_ in range(OLDEST_EVERY * 16):
        desk.add(desk.row(2, slice_ % 8, rho=0.01 + slice_ / 1000))
        desk.work(slices=1)
    assert long.state == "done"


def test_few_runs_are_suspended_at_once(desk: Desk) -> None:
    desk.add(desk.row(1000))
    for steps in (900, 800, 700, 600):
        desk.work(slices=2)
        desk.add(desk.row(steps, 1))
    desk.work(slices=10)
    under_way = {steps for steps, _ in [(run.rows[0].job.params.steps, run) for run in desk.scheduler._active]}
    assert under_way == {1000, 900, 800}
    assert len(under_way) == MOST_SUSPENDED


def test_out_of_memory_halves_and_goes_on(desk: Desk) -> None:
    desk.walk.most = 3
    rows = [desk.row(5, i) for i in range(8)]
    desk.add(*rows)
    assert sorted(row.order for row in desk.work()) == list(range(8))
    assert desk.walk.chunks == [8, 4, 2, 2, 2, 2]
    assert {row.state for row in rows} == {"done"}


def test_the_size_that_fitted_is_remembered(desk: Desk) -> None:
    desk.walk.most = 3
    desk.add(*[desk.row(5, i) for i in range(8)])
    desk.work()
    desk.walk.chunks.clear()
    desk.add(*[desk.row(5, i, rho=None) for i in range(8)])
    desk.work()
    assert desk.walk.chunks == [2, 2, 2, 2]


def test_a_single_row_that_does_not_fit_fails_alone(desk: Desk) -> None:
    greedy = Walk("greedy", most=0)
    methods = {"walk": desk.walk.method, "greedy": greedy.method}
    plain = desk.row(5)
    large = make_row(desk.held, methods, replace(plain.job, method="greedy"), plain.pixels)
    desk.add(large, plain)
    desk.work()
    assert isinstance(large.error, MemoryExhausted)
    assert "16 × 16" in str(large.error)
    assert plain.state == "done"


def test_rows_of_a_sensitive_method_are_solved_alone_on_a_processor(desk: Desk) -> None:
    """A batch would change the last bits, and the method would amplify them."""
    rows = [desk.row(3, picture) for picture in range(3)]
    for row in rows:
        row.method = replace(row.method, sensitive=True)
    desk.add(*rows)
    run = desk.scheduler.pick()
    assert run is not None
    assert len(run.rows) == 1
    run.step()
    desk.scheduler.settle(run)
    assert len(desk.work()) == len(rows)
