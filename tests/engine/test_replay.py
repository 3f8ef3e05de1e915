"""The same answer again: to the bit from a recorded chunk, and whoever else was asking."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from explain_core.engine import Engine
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats
from tests.engine.walking import PATIENCE, Bench, Clock, Glance, Walk


def same(one: Answer, other: Answer) -> bool:
    """Bit-equal, apart from the time it took."""
    arrays = [(one.saliency, other.saliency), (one.before, other.before)]
    arrays += [(a, b) for a, b in ((one.perturbed, other.perturbed), (one.after, other.after)) if a is not None]
    return (
        all(np.array_equal(a, b) for a, b in arrays)
        and replace(one.provenance, seconds=0.0) == replace(other.provenance, seconds=0.0)
        and one.numbers == other.numbers
    )


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
        questions = [(asked.job(m, p, rho=0.05, steps=15), p) for p in pictures[:4] for m in METHODS]
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
    questions = [(bench.job(m, p, rho=0.05, steps=15), p) for p in pictures[:4] for m in METHODS]
    with ThreadPoolExecutor(16) as pool:
        tickets = list(pool.map(lambda question: bench.engine.submit(*question), questions))
    by_key = {ticket.job.key: (ticket.job, pixels) for ticket, (_, pixels) in zip(tickets, questions, strict=True)}
    answers = {ticket.job.key: ticket.result(PATIENCE) for ticket in tickets}
    for chunk in {answer.provenance.chunk for answer in answers.values()}:
        again = bench.engine.replay([by_key[key] for key in chunk])
        assert all(found and same(found, answers[key]) for key, found in zip(chunk, again, strict=True))


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
