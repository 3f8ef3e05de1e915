"""The stream of masked samples: means and standard errors by hand, bounded passes, early ends, dropped rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explain_core.engine.lending import lend
from explain_core.models.classifier import pick
from explain_core.sampling import (
    AREA,
    CHECK_EVERY,
    LARGE,
    Stream,
    Tally,
    accumulate,
    at_once,
    generators,
    has_bfloat16,
    lit,
    never,
)
from explain_core.types import Drop, Question, Step
from tests.descent.walking import walk
from tests.methods.closed import SIDE, linear, pictures

TARGET = torch.tensor([2, 0, 2])
MASKS = torch.rand(3, 200, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

PASS = 32  # of pictures as small as these


def stream(count: int = 40, enough: Callable[[int, Tally], bool] = never) -> Stream:
    return Stream(
        count=count,
        masks=lambda row, start, stop: MASKS[row, start:stop],
        fill=torch.full_like(pictures(), 0.4),
        score=pick,
        weights=lambda masks: masks,
        estimate=lambda tally: tally.mean,
        enough=enough,
    )


def streamed(
    wanted: Stream, drop: Callable[[Step], Drop | None] = lambda _: None
) -> tuple[Tensor, list[Tally], list[Step]]:
    model, _ = linear()
    with lend(model):
        (before, tallies), steps = walk(accumulate(model, Question(pictures(), TARGET), wanted), drop)
    return before, tallies, steps


def test_sums_and_standard_errors_by_hand() -> None:
    model, _ = linear()
    before, tallies, _ = streamed(stream())
    for row, tally in enumerate(tallies):
        masks, x = MASKS[row, :40], pictures()[row]
        with torch.no_grad():
            scores = model(0.4 + masks[:, None] * (x - 0.4))[:, TARGET[row]]
        booked = scores[:, None, None] * masks
        assert torch.allclose(tally.scores, scores)
        assert torch.allclose(tally.total, booked.sum(0))
        assert torch.allclose(tally.cover, masks.sum(0))
        assert torch.allclose(tally.mean, booked.mean(0))
        assert torch.allclose(tally.mean_error(), booked.std(0) / 40**0.5)
        assert torch.allclose(tally.ratio, booked.sum(0) / masks.sum(0))
        assert tally.origin == pytest.approx(float(before[row, TARGET[row]]))


def test_a_pass_is_bounded_and_every_pass_is_a_step() -> None:
    seen: list[int] = []
    model, _ = linear()
    watch = model.register_forward_pre_hook(lambda _, pictures: seen.append(len(pictures[0])))
    with lend(model):
        _, steps = walk(accumulate(model, Question(pictures(), TARGET), stream(100)))
    watch.remove()
    assert seen == [3, *[PASS] * 9, *[4] * 3]
    assert [step.done for step in steps] == [*range(PASS, 289, PASS), 292, 296, 300]
    assert all(step.of == 300 for step in steps)
    assert [int(step.rows) for step in steps if step.rows is not None] == [0, 1, 2] * 4


def test_the_error_of_a_ratio_is_its_scatter_over_repetitions() -> None:
    """400 tallies of 100 samples: the mean stated error against the ratios' own standard deviation, within 10 %."""
    source = torch.Generator().manual_seed(4)
    ratios, stated = [], []
    for _ in range(400):
        masks = torch.rand(100, 2, 2, generator=source, dtype=torch.float64)
        tally = Tally(masks.new_zeros(()), 2, 2)
        tally.add(masks, 1 + masks[:, 0, 0] + torch.rand(100, generator=source, dtype=torch.float64))
        ratios.append(tally.ratio)
        stated.append(tally.ratio_error())
    assert torch.allclose(torch.stack(stated).mean(0), torch.stack(ratios).std(0), rtol=0.1)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("side", [1, 5, 224, 225, 300, 1000])
def test_large_pictures_come_fewer_at_once(side: int, halved: bool, device: str) -> None:
    count = at_once(side, side, device, halved=halved)
    assert CHECK_EVERY % count == 0
    assert count == 1 or count * side * side <= (1 + halved) * LARGE[device] * AREA


def test_a_row_that_has_enough_leaves_and_so_does_one_that_was_dropped() -> None:
    full = streamed(stream(200))[1]
    _, early, _ = streamed(stream(200, enough=lambda row, tally: row == 1 and tally.count > 0))
    assert [tally.count for tally in early] == [200, CHECK_EVERY, 200]
    assert torch.equal(early[0].total, full[0].total)
    _, thinned, _ = streamed(stream(200), lambda step: frozenset({0, 2}) if step.done == PASS else None)
    assert [tally.count for tally in thinned] == [PASS, 200, 0]
    assert torch.equal(thinned[1].total, full[1].total)
    assert thinned[2].scores.shape == (0,)
    assert thinned[2].mean_error().isinf().all()
    assert thinned[2].ratio_error().isinf().all()
    assert not thinned[2].ratio.any()


def test_the_map_grows_before_the_eyes() -> None:
    """A preview is the picture, black where the map is lowest and itself where it is highest."""
    _, tallies, steps = streamed(stream())
    last, saliency = steps[-1].images, tallies[2].total
    assert last is not None
    assert torch.equal(last[0, :, *divmod(int(saliency.argmin()), SIDE)], torch.zeros(3).double())
    best = divmod(int(saliency.argmax()), SIDE)
    assert torch.equal(last[0, :, *best], pictures()[2][:, *best])
    assert not lit(pictures()[0], torch.ones(SIDE, SIDE)).any()


def test_draws_belong_to_the_row() -> None:
    def first(question: Question, name: str = "rise") -> list[float]:
        return [float(torch.rand(1, generator=source)) for source in generators(question, name)]

    three = Question(pictures(), TARGET, keys=("a", "b", "c"))
    assert first(three)[1] == first(Question(pictures()[:1], TARGET[:1], keys=("b",)))[0]
    assert (
        len({*first(three), *first(three, "lime"), *first(Question(pictures(), TARGET, seed=1, keys=three.keys))}) == 9
    )


@pytest.mark.skipif(not has_bfloat16(torch.device("cpu")), reason="this processor has no bfloat16")
def test_bfloat16_is_asked_for_and_tells_of_itself() -> None:
    model, _ = linear()
    seen: list[torch.dtype] = []
    watch = model.net.register_forward_hook(lambda _net, _x, y: seen.append(y.dtype))
    question = Question(pictures().float(), TARGET)
    model = model.float()
    fill = torch.full_like(question.images, 0.4)
    exactly = replace(stream(), fill=fill, masks=lambda row, start, stop: MASKS[row, start:stop].float())
    with lend(model):
        (_, exact), _ = walk(accumulate(model, question, exactly))
        plain = len(seen)
        (_, half), _ = walk(accumulate(model, question, replace(exactly, bfloat16=True)))
    watch.remove()
    assert set(seen[:plain]) == {torch.float32}
    assert set(seen[plain + 1 :]) == {torch.bfloat16}  # the picture's own logits stay exact
    for one, other in zip(exact, half, strict=True):
        assert not torch.equal(one.scores, other.scores)
        assert torch.allclose(one.scores, other.scores, rtol=0.05, atol=0.05)
