"""One engine, many askers: equal jobs once, short questions soon, nothing lost and nobody harmed."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from explain_core.data.images import image_key
from explain_core.engine import Engine, Job
from explain_core.engine.engine import PATIENCE as POLLED_WITHIN
from explain_core.errors import (
    Cancelled,
    CannotExplain,
    MemoryExhausted,
    MethodError,
    RhoscopeError,
)
from explain_core.models.classifier import Classifier
from explain_core.records import Floats
from tests.engine.walking import PATIENCE, Bench, Walk, WalkParams


def test_an_answer_says_all_about_itself(bench: Bench, pictures: list[Floats]) -> None:
    job = bench.job("walk", pictures[0], rho=0.05, steps=7)
    answer = bench.engine.submit(job, pictures[0]).result(PATIENCE)
    origin = answer.provenance
    assert (origin.method, origin.params, origin.rho, origin.seed) == ("walk", {"steps": 7}, 0.05, 0)
    assert (origin.model, origin.model_sha256) == ("tiny", bench.model.sha256())
    assert (origin.image_sha256, origin.target, origin.target_name) == (image_key(pictures[0]), 1, "class 1")
    assert (origin.units, origin.chunk, origin.drops, origin.device) == (8.0, (job.key,), (), "cpu")
    assert set(origin.versions) == {"rhoscope", "torch", "torchvision", "numpy", "python", "network"}
    assert origin.versions["network"] == "as it is"
    assert origin.seconds > 0
    assert np.array_equal(answer.input, pictures[0])
    assert answer.before.sum() == pytest.approx(1, abs=1e-6)
    assert answer.p_after is not None
    assert answer.p_after > answer.p_before
    assert answer.numbers["mean"] == pytest.approx(answer.saliency.mean(), abs=1e-6)


def test_shared_arrays_cannot_be_written(bench: Bench, pictures: list[Floats]) -> None:
    answer = bench.engine.submit(bench.job("walk", pictures[0]), pictures[0]).result(PATIENCE)
    for array in (answer.input, answer.saliency, answer.before, answer.after, answer.perturbed):
        assert array is not None
        assert not array.flags.writeable
        assert array.base is None or array is answer.input
        assert array.dtype == np.float32


def test_a_short_question_is_answered_in_the_middle_of_a_long_one(bench: Bench, pictures: list[Floats]) -> None:
    begun: list[int] = []
    bench.glance.when = lambda: begun.append(len(bench.walk.steps))
    bench.walk.hold(after=5)
    long = bench.engine.submit(bench.job("walk", pictures[0], steps=300), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    short = bench.engine.submit(bench.job("glance", pictures[1]), pictures[1])
    bench.walk.go.set()
    short.result(PATIENCE)
    assert begun[0] - 5 <= 20
    long.result(PATIENCE)
    assert len(bench.walk.steps) == 300


def test_grad_cam_is_answered_within_20_steps_of_a_long_batch(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=5)
    long = bench.engine.submit_all(bench.questions("walk", pictures, steps=200))
    assert bench.walk.reached.wait(PATIENCE)
    at_answer: list[int] = []
    ticket = bench.engine.submit(bench.job("gradcam", pictures[1]), pictures[1])
    bench.walk.hold(after=25)
    bench.walk.reached.clear()
    bench.walk.go.set()
    bench.walk.go.clear()
    ticket.result(PATIENCE)  # the long run is held at step 25 until this is there
    at_answer.append(len(bench.walk.steps))
    bench.walk.go.set()
    assert at_answer[0] <= 25
    assert all(ticket.result(PATIENCE) for ticket in long)


def test_equal_jobs_are_computed_once(bench: Bench, pictures: list[Floats]) -> None:
    """Waiting, running and finished ones alike, from many threads."""
    bench.walk.hold(after=1)
    job = bench.job("walk", pictures[0])
    first = bench.engine.submit(job, pictures[0])
    with ThreadPoolExecutor(8) as pool:
        tickets = list(pool.map(lambda _: bench.engine.submit(job, pictures[0]), range(8)))
    waiting = [bench.engine.submit(bench.job("walk", pictures[1]), pictures[1]) for _ in range(3)]
    bench.walk.go.set()
    answers = [ticket.result(PATIENCE) for ticket in [first, *tickets]]
    assert all(answer is answers[0] for answer in answers)
    assert len({id(ticket.result(PATIENCE)) for ticket in waiting}) == 1
    assert bench.engine.submit(job, pictures[0]).result(PATIENCE) is answers[0]
    assert bench.walk.chunks == [1, 1]


def test_a_cached_answer_costs_no_work(bench: Bench, pictures: list[Floats]) -> None:
    job = bench.job("walk", pictures[0])
    bench.engine.submit(job, pictures[0]).result(PATIENCE)
    slices = bench.engine.slices
    ticket = bench.engine.submit(job, pictures[0])
    assert (ticket.state, ticket.progress, bench.engine.slices) == ("done", 1.0, slices)


def test_the_cache_is_bounded(tiny: Classifier, pictures: list[Floats]) -> None:
    walk = Walk()
    with Engine("cpu", cache_bytes=20_000, methods={"walk": walk.method}) as engine:
        card = engine.add("tiny", tiny)
        for picture in [*pictures, *pictures]:
            job = Job("tiny", card.sha256, "walk", image_key(picture), 1, WalkParams(1))
            engine.submit(job, picture).result(PATIENCE)
        assert engine._cache.nbytes <= 20_000
        assert len(walk.chunks) == 16


def test_a_cancelled_ticket_leaves_its_twin_alone(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=3)
    job = bench.job("walk", pictures[0])
    one, twin = bench.engine.submit(job, pictures[0]), bench.engine.submit(job, pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    one.cancel()
    bench.walk.go.set()
    assert twin.result(PATIENCE).outcome == "walked"
    assert one.state == "cancelled"
    with pytest.raises(Cancelled):
        one.result(PATIENCE)


def test_a_row_nobody_waits_for_leaves_the_batch(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=3)
    tickets = bench.engine.submit_all(bench.questions("walk", pictures[:4], steps=10))
    assert bench.walk.reached.wait(PATIENCE)
    tickets[1].cancel()
    tickets[2].cancel()
    bench.walk.go.set()
    answer = tickets[0].result(PATIENCE)
    assert bench.walk.steps[2:4] == [(3, (0, 1, 2, 3)), (4, (0, 3))]
    assert answer.provenance.drops == ((3, tickets[1].job.key), (3, tickets[2].job.key))
    again = bench.engine.submit(*bench.questions("walk", pictures[1:2], steps=10)[0])
    assert again.result(PATIENCE).outcome == "walked"


def test_a_run_that_everybody_left_ends(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=3)
    ticket = bench.engine.submit(bench.job("walk", pictures[0], steps=100_000), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    ticket.cancel()
    bench.walk.go.set()
    assert bench.engine.submit(bench.job("glance", pictures[0]), pictures[0]).result(PATIENCE)
    bench.engine.close()
    assert len(bench.walk.steps) == 3


def test_cancelling_what_only_waits(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=1)
    first = bench.engine.submit(bench.job("walk", pictures[0], steps=3), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    second = bench.engine.submit(bench.job("other", pictures[0]), pictures[0])
    second.cancel()
    bench.walk.go.set()
    first.result(PATIENCE)
    assert second.state == "cancelled"
    assert not bench.other.chunks


def test_a_ticket_that_nobody_looks_at_is_abandoned(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=3)
    watched, forgotten, kept = (
        bench.engine.submit_all(bench.questions("walk", [picture], steps=30), keep=picture is pictures[2])[0]
        for picture in pictures[:3]
    )
    assert bench.walk.reached.wait(PATIENCE)
    bench.clock.now = POLLED_WITHIN + 1
    assert watched.state in ("running", "waiting")
    bench.walk.go.set()
    assert watched.result(PATIENCE)
    assert kept.result(PATIENCE)
    assert forgotten.state == "cancelled"


def test_one_that_is_looked_at_now_and_then_is_not(bench: Bench, pictures: list[Floats]) -> None:
    ticket = None
    for look in range(5):
        bench.walk.reached.clear()
        bench.walk.go.clear()
        bench.walk.hold(after=10 * look + 10)
        ticket = ticket or bench.engine.submit(bench.job("walk", pictures[0], steps=60), pictures[0])
        assert bench.walk.reached.wait(PATIENCE)
        bench.clock.now += POLLED_WITHIN - 1
        assert ticket.progress == pytest.approx((10 * look + 9) / 60)
        bench.walk.go.set()
    assert ticket
    assert ticket.result(PATIENCE)


def test_whoever_waits_for_the_result_need_not_look(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=3)
    ticket = bench.engine.submit(bench.job("walk", pictures[0], steps=30), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ticket.result, PATIENCE)
        while not ticket._waiters:
            pass
        bench.clock.now = POLLED_WITHIN + 1
        bench.walk.go.set()
        assert waiting.result(PATIENCE).outcome == "walked"


def test_the_picture_as_it_stands(bench: Bench, pictures: list[Floats]) -> None:
    """A step that is held has not been reported: after four of them, three steps of 0.01 are to be seen."""
    bench.walk.hold(after=4)
    first, second = bench.engine.submit_all(bench.questions("walk", pictures[:2], steps=9))
    assert bench.walk.reached.wait(PATIENCE)
    shown = second.preview()
    assert shown is not None
    assert np.abs(shown - pictures[1]).max() == pytest.approx(0.03, abs=1e-6)
    first.cancel()
    bench.walk.reached.clear()
    bench.walk.hold(after=7)
    bench.walk.go.set()
    bench.walk.go.clear()
    assert bench.walk.reached.wait(PATIENCE)
    shown = second.preview()
    assert shown is not None
    assert np.abs(shown - pictures[1]).max() == pytest.approx(0.06, abs=1e-6)
    bench.walk.go.set()
    assert second.result(PATIENCE).perturbed is second.preview()


def test_no_picture_before_the_first_step(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=1)
    first = bench.engine.submit(bench.job("walk", pictures[0]), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    waiting = bench.engine.submit(bench.job("other", pictures[0]), pictures[0])
    assert (first.preview(), first.progress, first.state) == (None, 0.0, "running")
    assert (waiting.preview(), waiting.progress, waiting.state) == (None, 0.0, "waiting")
    with pytest.raises(TimeoutError, match="still being computed"):
        waiting.result(timeout=0)
    bench.walk.go.set()


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (KeyError("/home/someone/file"), MethodError, "walk stopped on an unforeseen error (KeyError: '…')"),
        (CannotExplain("no layer here"), CannotExplain, "no layer here"),
        (SystemExit(2), MethodError, "SystemExit: 2"),
    ],
)
def test_a_failure_is_its_own_rows_alone(
    bench: Bench, pictures: list[Floats], fault: BaseException, kind: type[RhoscopeError], told: str
) -> None:
    bench.walk.fault = fault
    failing = bench.engine.submit_all(bench.questions("walk", pictures[:2]))
    others = bench.engine.submit_all(bench.questions("other", pictures[:2]))
    for ticket in failing:
        with pytest.raises(kind, match=re.escape(told)) as caught:
            ticket.result(PATIENCE)
        assert "\n" not in str(caught.value)
        assert ticket.state == "failed"
    assert all(ticket.result(PATIENCE) for ticket in others)
    bench.walk.fault = None
    assert bench.engine.submit(*bench.questions("walk", pictures[:1])[0]).result(PATIENCE)


def test_out_of_memory_halves_and_harms_nobody(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.most = 3
    tickets = bench.engine.submit_all(bench.questions("walk", pictures))
    other = bench.engine.submit(bench.job("other", pictures[0]), pictures[0])
    answers = [ticket.result(PATIENCE) for ticket in tickets]
    assert bench.walk.chunks == [8, 4, 2, 2, 2, 2]
    for picture, answer in zip(pictures, answers, strict=True):
        alone = bench.engine.replay(bench.questions("walk", [picture]))[0]
        assert alone is not None
        assert np.allclose(alone.saliency, answer.saliency, atol=1e-5)
    assert other.result(PATIENCE)


def test_a_row_too_large_for_memory_says_so(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.most = 0
    with pytest.raises(MemoryExhausted, match="16 × 16 pixels does not fit into memory; use a smaller picture"):
        bench.engine.submit(bench.job("walk", pictures[0]), pictures[0]).result(PATIENCE)


def test_predictions_come_between_steps_and_are_kept(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=3)
    long = bench.engine.submit(bench.job("walk", pictures[0], steps=50), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(bench.engine.predict, "tiny", pictures[1])
        bench.walk.go.set()
        probabilities = asked.result(PATIENCE)
    with torch.no_grad():
        expected = bench.model(torch.tensor(pictures[1])[None]).softmax(dim=1)[0]
    assert np.array_equal(probabilities, expected.numpy())
    assert bench.engine.predict("tiny", pictures[1]) is probabilities
    assert not probabilities.flags.writeable
    assert long.result(PATIENCE)


def test_a_more_urgent_twin_hastens_a_waiting_row(bench: Bench, pictures: list[Floats]) -> None:
    order: list[str] = []
    bench.glance.when = lambda: order.append("glance")
    bench.walk.hold(after=1)
    first = bench.engine.submit(bench.job("walk", pictures[0], steps=1), pictures[0])
    assert bench.walk.reached.wait(PATIENCE)
    late = bench.engine.submit(bench.job("other", pictures[0], steps=2), pictures[0], priority=2)
    glance = bench.engine.submit(bench.job("glance", pictures[0]), pictures[0], priority=1)
    bench.engine.submit(bench.job("other", pictures[0], steps=2), pictures[0], priority=0)
    bench.other.hold(after=1)
    bench.walk.go.set()
    assert bench.other.reached.wait(PATIENCE)
    assert not order
    bench.other.go.set()
    assert all(ticket.result(PATIENCE) for ticket in (first, late, glance))


def test_closing_cancels_what_is_left(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=2)
    tickets = bench.engine.submit_all(bench.questions("walk", pictures[:2], steps=1000))
    assert bench.walk.reached.wait(PATIENCE)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(tickets[0].result, PATIENCE)
        closing = pool.submit(bench.engine.close)
        with pytest.raises(Cancelled):
            waiting.result(PATIENCE)
        bench.walk.go.set()
        closing.result(PATIENCE)
    assert [ticket.state for ticket in tickets] == ["cancelled", "cancelled"]
    with pytest.raises(Cancelled, match="closed"):
        bench.engine.submit(bench.job("walk", pictures[0]), pictures[0])
    with pytest.raises(Cancelled, match="closed"):
        bench.engine.predict("tiny", pictures[0])
