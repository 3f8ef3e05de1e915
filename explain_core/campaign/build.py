"""A campaign's bundle: confident adversarial examples beside their originals (AE, §III-H and Fig. 12), and what
tells how carefully people look.

    FOLDER/run.json            model, data and parameters; another question is refused
    FOLDER/chosen.json         the candidates in their order
    FOLDER/made/0003.npz       a chunk of examples, whole or not there
    FOLDER/bundle/             bundle.json, pictures/*.png, examples.safetensors

One process at a time is at work in a folder.  Asked again there, a build goes on where it was, and one that is done
is left as it is.  What is asked about explanations is made in explained.py.

Among the items are *gold* ones, whose answer is known: *unchanged*, noise that nobody can see; *no longer the original
class*, the picture of another class; and *repeats* of items, somewhere after them.  *Practice* items, which are never
asked, also show half of both, which is *unsure*; they are made of other pictures than gold items, as long as there are
enough.  Every order is drawn with the seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from io import BytesIO
from itertools import chain, count, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.campaign.bundle import FILE, Example, Explained, Item, write_bundle
from explain_core.campaign.explained import explained, known, known_of_two, mark
from explain_core.campaign.params import BETTER, RIGHT_THING, UNCHANGED, CampaignParams
from explain_core.campaign.scores import scores_for
from explain_core.campaign.strategies import Chosen, get_strategy, order
from explain_core.data.sources import DataSet
from explain_core.engine.library import Held
from explain_core.engine.predictions import predict
from explain_core.errors import DataError
from explain_core.evaluation.asking import Asking
from explain_core.evaluation.cases import cases_of
from explain_core.evaluation.folder import RunFolder
from explain_core.export import write
from explain_core.metrics.base import Case
from explain_core.records import Answer, Floats

AT_ONCE = 16
PRACTISED = {
    UNCHANGED: ("unchanged", "changed", "unsure"),
    RIGHT_THING: ("right", "misleading"),
    BETTER: ("left", "right"),
}
KNOWN = {**PRACTISED, UNCHANGED: ("unchanged", "changed")}
"""What practice items, and gold items, are by turns."""
INVISIBLE = 0.004
"""RMS of the noise of a gold item that shows no change: one grey level of 255."""
OnProgress = Callable[[float], None]
Make = Callable[
    [Held, Sequence[Case], Sequence[Chosen], CampaignParams, Path, OnProgress], Iterator[Example | Explained]
]


def build(
    held: Held,
    data: DataSet,
    params: CampaignParams,
    folder: Path,
    *,
    beside: Sequence[Held] = (),
    title: str = "",
    on_progress: OnProgress = lambda _: None,
) -> Path:
    """The bundle's folder.  `beside` are networks that the strategy `bald` compares.

    Candidates are pictures that the network gets right.  Raises DataError where there are too few of them or too few
    of their classes are lost, InputError for scores that cannot be had, OutputError for a folder of another build.
    """
    asked = {
        "model": held.card.spec, "model_sha256": held.card.sha256, "data": data.spec, "params": params.as_dict(),
        "beside": [one.card.sha256 for one in beside], "title": title,
    }  # fmt: skip
    with closing(RunFolder(folder, asked)):
        if not (folder / "bundle" / FILE).exists():
            _build(held, data, params, folder, asked, beside, on_progress)
    return folder / "bundle"


def _build(
    held: Held, data: DataSet, params: CampaignParams, folder: Path, asked: Mapping[str, Any],
    beside: Sequence[Held], on_progress: OnProgress,
) -> None:  # fmt: skip
    cases = _candidates(held, data)
    chosen = _chosen(held, cases, params, folder, beside)
    make: Make = _examples if params.question == UNCHANGED else explained
    examples = list(make(held, cases, chosen, params, folder, on_progress))
    if len(examples) < params.items:
        raise DataError(
            f"{data.spec}: a sure wrong class was found for {len(examples)} of {len(cases)} pictures that the network "
            f"gets right, and {params.items} were asked for: ask for fewer, give more pictures, or raise the steps."
        )
    items = _in_order(examples, cases, held, params)
    name = asked["title"] or f"{held.card.spec} on {data.spec}"[:200]
    write_bundle(folder / "bundle", items, question=params.question, title=name, spec=asked)


def _candidates(held: Held, data: DataSet) -> list[Case]:
    """Cases that have a label, and that the network decides as labelled."""
    found = cases_of(data, held.model, predict=lambda pixels: predict(held, pixels)).cases
    decided = [int(each.argmax()) for each in predict(held, [case.pixels for case in found])]
    right = [case for case, decision in zip(found, decided, strict=True) if case.label == decision]
    if not right:
        raise DataError(f"{data.spec}: {held.card.spec} gets none of its {len(found)} pictures right; choose others.")
    return right


def _chosen(
    held: Held, cases: Sequence[Case], params: CampaignParams, folder: Path, beside: Sequence[Held]
) -> list[Chosen]:
    path = folder / "chosen.json"
    if path.exists():
        return [Chosen(index, random) for index, random in json.loads(path.read_text("utf-8"))]
    scores = scores_for(get_strategy(params.strategy).needs, held, cases, beside)
    found = order(
        params.strategy, scores, len(cases), candidates=len(cases), share_random=params.share_random, seed=params.seed
    )
    write(path, json.dumps([[one.index, one.random] for one in found]).encode())
    return list(found)


def _examples(
    held: Held, cases: Sequence[Case], chosen: Sequence[Chosen], params: CampaignParams, folder: Path,
    on_progress: OnProgress,
) -> Iterator[Example]:  # fmt: skip
    """The first `items` examples, in the strategy's order, of pictures whose class the network can be made to lose."""
    ask = Asking(held, "confident", knobs={"margin": params.margin, "steps": params.steps}, seed=params.seed)
    found = 0
    for start in range(0, len(chosen), AT_ONCE):
        some = chosen[start : start + AT_ONCE]
        path = folder / "made" / f"{start // AT_ONCE:05}.npz"
        if not path.exists():
            asked = [cases[one.index] for one in some]
            answers = ask([case.pixels for case in asked], [int(case.label or 0) for case in asked])
            _put(path, answers)
        for one, changed, after, before in zip(some, *_got(path), strict=True):
            if found < params.items and _sure(after, cases[one.index].label, params.margin):
                found += 1
                yield _example(cases[one.index], one, changed, before, after, held, params)
        on_progress(min(1.0, found / params.items))
        if found >= params.items:
            return


def _put(path: Path, answers: Sequence[Answer]) -> None:
    """A chunk under its name when it is whole; pictures of several sizes each have an array."""
    arrays: dict[str, Any] = {}
    for number, answer in enumerate(answers):
        arrays[f"changed{number}"] = answer.input if answer.perturbed is None else answer.perturbed
        arrays[f"after{number}"] = answer.before if answer.after is None else answer.after
        arrays[f"before{number}"] = answer.before
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    write(path, buffer.getvalue())


def _got(path: Path) -> tuple[list[Floats], list[Floats], list[Floats]]:
    with np.load(path, allow_pickle=False) as arrays:
        count = len(arrays.files) // 3
        names = ("changed", "after", "before")
        changed, after, before = ([arrays[f"{name}{number}"] for number in range(count)] for name in names)
    return changed, after, before


def _sure(after: Floats, label: int | None, margin: float) -> bool:
    """Whether another class leads all others by more than the margin."""
    second, first = np.sort(after)[-2:]
    return int(after.argmax()) != label and bool(first - second > margin)


def _example(
    case: Case, one: Chosen, changed: Floats, before: Floats, after: Floats, held: Held, params: CampaignParams
) -> Example:
    label = int(case.label or 0)
    rmse = float(np.sqrt(np.mean(np.square(changed.astype(np.float64) - case.pixels))))
    told = {
        "source": case.name, "label": label, "rmse": rmse, "p_before": float(before[label]),
        "p_after": float(after[label]), "wrong": int(after.argmax()), "p_wrong": float(after.max()),
        "random": one.random, "strategy": params.strategy,
    }  # fmt: skip
    return Example(case.pixels, changed, held.card.classes[label], told)


def _in_order(
    examples: Sequence[Example | Explained], cases: Sequence[Case], held: Held, params: CampaignParams
) -> list[Item]:
    """Practice first; then examples and gold items in an order of the seed, and repeats somewhere behind their own."""
    draw = np.random.default_rng([params.seed, 1])
    tried, gold = _known(cases, held, params, round(params.gold * len(examples)), draw)
    asked = [Item(f"{number:05}", "ask", example) for number, example in enumerate(examples)]
    practice = [Item(f"practice-{number}", "practice", *one) for number, one in enumerate(tried)]
    mixed: list[Item] = [*asked, *(Item(f"gold-{number:04}", "gold", *one) for number, one in enumerate(gold))]
    mixed = [mixed[place] for place in draw.permutation(len(mixed))]
    again = draw.permutation(len(asked))[: round(params.repeats * len(asked))]
    for number, place in enumerate(again):
        original = asked[place]
        after = mixed.index(original) + 1
        where = int(draw.integers((after + len(mixed)) // 2, len(mixed) + 1))
        mixed.insert(where, Item(f"repeat-{number:04}", "repeat", original.example, repeats=original.name))
    return [*practice, *mixed]


def _known(
    cases: Sequence[Case], held: Held, params: CampaignParams, gold: int, draw: np.random.Generator
) -> list[list[tuple[Example | Explained, str]]]:
    """Practice and gold items with their answers, by turns, on pictures of their own as long as there are enough."""
    usable = [case for case in cases if params.question == UNCHANGED or mark(case) is not None]
    places = chain.from_iterable(draw.permutation(len(usable)) for _ in count())

    def make(truth: str, case: Case) -> tuple[Example | Explained, str]:
        if params.question == UNCHANGED:
            return _changed(truth, cases, case, held, draw)
        return (known_of_two if params.question == BETTER else known)(truth, case, held)

    return [
        [make(truth, usable[next(places)]) for truth in islice(cycle(truths), number if usable else 0)]
        for truths, number in ((PRACTISED[params.question], params.practice), (KNOWN[params.question], gold))
    ]


def _changed(
    truth: str, cases: Sequence[Case], case: Case, held: Held, draw: np.random.Generator
) -> tuple[Example, str]:
    """A picture that nobody can see changed, one of another class in its place, or half of each: who knows?"""
    others = [other for other in cases if other.label != case.label and other.pixels.shape == case.pixels.shape]
    if truth == "unchanged" or not others:
        noise = draw.uniform(-1, 1, case.pixels.shape) * INVISIBLE * np.sqrt(3)
        changed, truth, why = case.pixels + noise, "unchanged", "Only noise was added, of about one grey level in 256."
    else:
        other = others[int(draw.integers(len(others)))]
        share, why = {"changed": (1.0, "It is a picture of “{}”."), "unsure": (0.5, "It is half a picture of “{}”.")}[
            truth
        ]
        changed = (1 - share) * case.pixels + share * other.pixels
        why = why.format(held.card.classes[int(other.label or 0)])
    label = int(case.label or 0)
    told = {"source": case.name, "label": label, "why": why}
    return Example(case.pixels, np.clip(changed, 0, 1).astype(np.float32), held.card.classes[label], told), truth
