"""One engine, many askers: equal jobs once, short questions soon, nothing lost and nobody harmed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from explain_core.data.images import image_key
from explain_core.engine import Engine, Job
from explain_core.engine.engine import PATIENCE as POLLED_WITHIN
from explain_core.errors import (
    Cancelled,
    CannotExplain,
    ImageError,
    MemoryExhausted,
    MethodError,
    ModelError,
    ParamError,
    RhoscopeError,
    SpecError,
    TargetError,
    WeightsError,
)
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats
from tests.engine.walking import PATIENCE, Bench, Clock, Glance, Walk, WalkParams


def same(one: Answer, other: Answer) -> bool:
    """Bit-equal, apart from the time it took."""
    arrays = [(one.saliency, other.saliency), (one.before, other.before)]
    arrays += [(a, b) for a, b in ((one.perturbed, other.perturbed), (one.after, other.after)) if a is not None]
    return (
        all(np.array_equal(a, b) for a, b in arrays)
        and replace(one.provenance, seconds=0.0) == replace(other.provenance, seconds=0.0)
        and one.numbers == other.numbers
    )


def test_an_answer_says_all_about_itself(bench: Bench, pictures: list[Floats]) -> None:
    job = bench.job("walk", pictures[0], rho=0.05, steps=7)
    answer = bench.engine.submit(job, pictures[0]).result(PATIENCE)
    origin = answer.provenance
    assert (origin.method, origin.params, origin.rho, origin.seed) == ("walk", {"steps": 7}, 0.05, 0)
    assert (origin.model, origin.model_sha256) == ("tiny", bench.model.sha256())
    assert (origin.image_sha256, origin.target, origin.target_name) == (image_key(pictures[0]), 1, "class 1")
    assert (origin.units, origin.chunk, origin.drops, origin.device) == (8.0, (job.key,), (), "cpu")
    assert set(origin.versions) == {"rhoscope", "torch", "torchvision", "numpy", "python"}
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


def test_a_chunk_that_rows_left_is_replayed_with_their_leaving(bench: Bench, pictures: list[Floats]) -> None:
    bench.walk.hold(after=6)
    questions = bench.questions("walk", pictures[:5], steps=20)
    tickets = bench.engine.submit_all(questions)
    assert bench.walk.reached.wait(PATIENCE)
    tickets[3].cancel()
    bench.walk.go.set()
    first = [ticket.result(PATIENCE) for ticket in tickets if ticket is not tickets[3]]
    steps = list(bench.walk.steps)
    bench.walk.steps.clear()
    again = bench.engine.replay(questions, first[0].provenance.drops)
    assert bench.walk.steps == steps
    assert again[3] is None
    assert all(same(a, b) for a, b in zip([a for a in again if a], first, strict=True))


def test_sixteen_threads_get_what_one_would(tiny: Classifier, pictures: list[Floats]) -> None:
    """In float64, where a batch rounds like a single run: in float32 a hundred steps amplify the last bit."""
    model = tiny.double().train()
    for parameter in list(model.parameters())[::2]:
        parameter.requires_grad_(False)
    was = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags, random = [p.requires_grad for p in model.parameters()], torch.get_rng_state()
    with Engine("cpu") as engine:
        asked = Bench(engine, engine.add("tiny", model), model, Walk(), Walk(), Glance(), Clock())
        questions = [(asked.job(m, p, rho=0.05), p) for p in pictures[:4] for m in METHODS]
        alone = [engine.replay([question])[0] for question in questions]
        with ThreadPoolExecutor(16) as pool:
            threaded = list(pool.map(lambda question: engine.submit(*question).result(PATIENCE), questions))
    for (job, _), one, other in zip(questions, alone, threaded, strict=True):
        assert one is not None
        assert np.allclose(one.before, other.before, atol=1e-6)
        if METHODS[job.method].rho == "none":
            assert np.allclose(one.saliency, other.saliency, atol=1e-5)
        elif np.ptp(one.saliency) > 0:
            assert spearmanr(one.saliency.ravel(), other.saliency.ravel()).statistic >= 0.99, job.method
    assert all(torch.equal(tensor, was[name]) for name, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_what_sixteen_threads_got_can_be_replayed_to_the_bit(bench: Bench, pictures: list[Floats]) -> None:
    questions = [(bench.job(m, p, rho=0.05), p) for p in pictures[:4] for m in METHODS]
    with ThreadPoolExecutor(16) as pool:
        tickets = list(pool.map(lambda question: bench.engine.submit(*question), questions))
    by_key = {ticket.job.key: (ticket.job, pixels) for ticket, (_, pixels) in zip(tickets, questions, strict=True)}
    answers = {ticket.job.key: ticket.result(PATIENCE) for ticket in tickets}
    for chunk in {answer.provenance.chunk for answer in answers.values()}:
        again = bench.engine.replay([by_key[key] for key in chunk])
        assert all(found and same(found, answers[key]) for key, found in zip(chunk, again, strict=True))


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


def test_rho_is_settled_by_the_method(bench: Bench, pictures: list[Floats]) -> None:
    """A method without ρ is one job at every ρ; one that needs it takes its default."""
    jobs = [bench.job("gradcam", pictures[0], rho=rho) for rho in (None, 0.01, 0.1)]
    tickets = [bench.engine.submit(job, pictures[0]) for job in jobs]
    assert len({ticket.job.key for ticket in tickets}) == 1
    plus = bench.engine.submit(bench.job("explain-plus", pictures[0]), pictures[0])
    assert plus.job.rho == METHODS["explain-plus"].default_rho == 0.05


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"method": "gradcm"}, ParamError, "did you mean 'gradcam'?"),
        ({"model": "unknown"}, ModelError, "'unknown' is not open here"),
        ({"model_sha256": "0" * 64}, ModelError, "other weights"),
        ({"params": METHODS["gradcam"].params()}, ParamError, "walk takes WalkParams"),
        ({"target": 5}, TargetError, "Target 5 is out of range"),
        ({"target": -1}, TargetError, "Target -1 is out of range"),
        ({"rho": 0.0}, ParamError, "rho = 0.0"),
        ({"rho": -1.0}, ParamError, "rho = -1.0"),
        ({"rho": float("nan")}, ParamError, "rho = nan"),
    ],
    ids=str,
)
def test_a_job_that_cannot_be_is_refused_at_once(
    bench: Bench, pictures: list[Floats], change: dict[str, object], kind: type[RhoscopeError], told: str
) -> None:
    with pytest.raises(kind, match=re.escape(told)):
        bench.engine.submit(replace(bench.job("walk", pictures[0]), **change), pictures[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 2, 16), (3, 16)])
def test_a_picture_that_does_not_suit_is_refused_at_once(
    bench: Bench, pictures: list[Floats], shape: Sequence[int]
) -> None:
    with pytest.raises(ImageError):
        bench.engine.submit(bench.job("walk", pictures[0]), np.zeros(shape, np.float32))


def test_a_card_says_what_cannot_be_done(bench: Bench, pictures: list[Floats], tiny_named: object) -> None:
    card = bench.engine.add("linear", tiny_named("linear"))  # type: ignore[operator]
    assert list(card.cannot) == ["gradcam"]
    assert bench.card.cannot == {}
    job = Job("linear", card.sha256, "gradcam", image_key(pictures[0]), 1, METHODS["gradcam"].params())
    with pytest.raises(CannotExplain, match="gradcam cannot explain linear: "):
        bench.engine.submit(job, pictures[0])


FACTORY = """
from pathlib import Path
from torch import nn
from explain_core.models.classifier import Classifier, InputSpec

def net():
    with (Path(__file__).parent / "calls").open("a") as calls:
        calls.write("x")
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(layers, classes=("no", "yes"), kind="softmax", input=InputSpec(1, smallest=3))
"""


def test_a_model_is_loaded_once_for_everybody(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FACTORY)
    spec = f"{tmp_path}/own.py:net"
    with pytest.raises(SpecError):
        bench.engine.open(spec)
    with ThreadPoolExecutor(8) as pool:
        cards = list(pool.map(lambda _: bench.engine.open(spec, allow_code=tmp_path), range(8)))
    assert all(card is cards[0] for card in cards)
    assert (tmp_path / "calls").read_text() == "x"
    assert (cards[0].spec, cards[0].classes, cards[0].kind) == (spec, ("no", "yes"), "softmax")
    assert bench.engine.predict(spec, np.zeros((1, 8, 8), np.float32)).shape == (2,)


def test_weights_that_are_not_numbers_are_refused(bench: Bench, tiny: Classifier) -> None:
    with torch.no_grad():
        next(iter(tiny.parameters())).fill_(float("nan"))
    with pytest.raises(WeightsError, match="logits that are not finite"):
        bench.engine.add("broken", tiny)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="auto, cpu, cuda"):
        Engine("tpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_on_an_accelerator_a_chunk_is_replayed_to_the_bit(tiny: Classifier, pictures: list[Floats]) -> None:
    with Engine("cuda") as engine:
        asked = Bench(engine, engine.add("tiny", tiny), tiny, Walk(), Walk(), Glance(), Clock())
        for method in METHODS:
            questions = [(asked.job(method, picture, rho=0.05), picture) for picture in pictures]
            first = [ticket.result(PATIENCE) for ticket in engine.submit_all(questions)]
            again = engine.replay(questions)
            assert all(found and same(found, answer) for found, answer in zip(again, first, strict=True)), method
    assert tiny.mean.device.type == "cpu"
