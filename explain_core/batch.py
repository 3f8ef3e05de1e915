"""Many pictures to files: what `rhoscope explain` does, without the shell.

Pictures of one shape are one batch, and all ρ of a picture are in the same batch.  A picture or a
method that fails is reported and left out; everything else is done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.api import explain
from explain_core.asked import Asked, rhos_for
from explain_core.errors import RhoscopeError
from explain_core.export import LEDGER, Ledger, folder_name, record, write_answer
from explain_core.films.looking import Looked, is_film, look
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats

PICTURES = 16
"""Pictures held in memory at a time; films, which are large, come one by one."""

OnFault = Callable[[str], None]
OnProgress = Callable[[float], None]


@dataclass
class Done:
    """What came of it: `results` are the lines written, `faults` what was left out and why."""

    results: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def lines(self, out: Path) -> Iterator[str]:
        """The same for a shell."""
        for line in self.results:
            after = "" if line["p_target_after"] is None else f" → {line['p_target_after']:.3f}"
            rmse = "" if line["rmse"] is None else f"  rmse {line['rmse']:.4f}"
            yield (
                f"{line['file'].removesuffix('.npz')}  {line['target_name']} {line['p_target_before']:.3f}{after}{rmse}"
                f"  {line['units']:.1f} units"
            )
        left_out = f"; {len(self.faults)} left out, see above" if self.faults else ""
        count = len(self.results)
        yield f"{count} result{'' if count == 1 else 's'} in {out / LEDGER}{left_out}"


@dataclass(frozen=True)
class _Picture:
    path: Path
    folder: str
    looked: Looked

    @property
    def pixels(self) -> Floats:
        return self.looked.pixels


def explain_files(
    model: Classifier,
    files: Sequence[Path],
    asked: Asked,
    out: Path,
    *,
    on_fault: OnFault = lambda _: None,
    on_progress: OnProgress = lambda _: None,
) -> Done:
    """Explains every file by every method and writes `out`; progress runs from 0 to 1.

    Raises OutputError before anything is computed where `out` cannot be written, and TargetError
    where the model does not have the class; what fails later is in `Done.faults`.
    """
    if asked.target not in ("top1", "top2"):
        model.class_index(asked.target)
    batch = _Batch(model, asked, out, on_fault)
    methods = [name for name in asked.knobs if batch.applies(METHODS[name])]
    try:
        for start, some in _parcels(files) if methods else ():
            work = [(name, pictures) for pictures in batch.read(some) for name in methods]
            for index, (name, pictures) in enumerate(work):
                span = (start + len(some) * index / len(work), start + len(some) * (index + 1) / len(work))
                batch.explain(name, pictures, partial(_show, on_progress, span, len(files)))
    finally:
        batch.ledger.save()
    return batch.done


def _show(on_progress: OnProgress, span: tuple[float, float], of: int, share: float) -> None:
    low, high = span
    on_progress((low + (high - low) * share) / of)


def _parcels(files: Sequence[Path]) -> Iterator[tuple[int, Sequence[Path]]]:
    """Files that are read together, and how many came before them."""
    start = 0
    while start < len(files):
        some = files[start : start + PICTURES]
        count = next((place for place, file in enumerate(some) if is_film(file)), len(some)) or 1
        yield start, some[:count]
        start += count


class _Batch:
    """One model's explanations on their way into one folder."""

    def __init__(self, model: Classifier, asked: Asked, out: Path, on_fault: OnFault) -> None:
        self.model, self.asked, self.out = model, asked, out
        self.ledger = Ledger(out)
        self.done = Done()
        self._owners = self.ledger.folders()
        self._used: set[str] = set()
        self._on_fault = on_fault

    def applies(self, method: Method) -> bool:
        """Whether the method can explain the model; it is reported once where not."""
        why = method.cannot(self.model)
        if not why or self.asked.knobs[method.name]:  # a parameter, such as a layer, may make it apply
            return True
        self._fault(f"{method.name} cannot explain {self.model.spec}: {why}")
        return False

    def read(self, files: Sequence[Path]) -> list[list[_Picture]]:
        """The pictures that can be read, those of one shape together."""
        groups: dict[tuple[int, ...], list[_Picture]] = defaultdict(list)
        for path in files:
            try:
                looked = look(path, self.model.input)
                self.model.check_images(looked.pixels.shape)
            except RhoscopeError as error:
                self._fault(f"{path}: {error}")
            else:
                folder = self._folder(path, looked.sha256)
                groups[looked.pixels.shape].append(_Picture(path, folder, looked))
        return list(groups.values())

    def explain(self, name: str, pictures: Sequence[_Picture], progress: OnProgress) -> None:
        """Asks one method about pictures of one shape, and writes what it answers."""
        rhos = rhos_for(METHODS[name], self.asked.rhos)
        try:
            answers = explain(
                self.model,
                np.stack([picture.pixels for picture in pictures]),
                method=name,
                target=self.asked.target,
                rho=list(rhos),
                seed=self.asked.seed,
                memory=self.asked.memory,
                progress=progress,
                **self.asked.knobs[name],
            )
        except RhoscopeError as error:
            if len(pictures) == 1:
                self._fault(f"{pictures[0].path}: {name}: {error}")
            else:  # only the picture that it is about is left out
                for picture in pictures:
                    self.explain(name, [picture], progress)
            return
        owners = [picture for picture in pictures for _ in rhos]
        for picture, answer in zip(owners, answers, strict=True):
            self._write(picture, answer)

    def _write(self, picture: _Picture, answer: Answer) -> None:
        file = write_answer(self.out, picture.folder, answer).as_posix()
        line = record(
            answer,
            image=str(picture.path),
            image_sha256=picture.looked.sha256,
            classes=self.model.classes,
            file=file,
            seen=picture.looked.seen,
            change=picture.looked.change(answer),
        )
        self.ledger.add(line)
        self.done.results.append(line)

    def _folder(self, path: Path, sha256: str) -> str:
        """The picture's own folder: again the same one when it is asked again, never another picture's."""
        others = {folder for folder, owner in self._owners.items() if owner != sha256}
        folder = folder_name(path.stem, others | self._used)
        self._used.add(folder)
        return folder

    def _fault(self, text: str) -> None:
        self.done.faults.append(text)
        self._on_fault(text)
