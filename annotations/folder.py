"""The pictures that people accept, as a data set to train on: `folder:DIR` reads it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from annotations.bundle import Bundle, read_bundle
from annotations.campaigns import found
from annotations.database import Database
from annotations.files import unfinished
from annotations.questions import get_question
from annotations.settling import Settled, settle_in
from explain_core.errors import InputError

SIDE = "adversarial"
UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f]|^\.')
"""Of a name, what a folder's may not hold, or what would hide it."""


def export_folder(database: Database, campaign: str, out: Path) -> int:
    """Writes the changed pictures that a majority settles as the question's first answer; tells how many.

    Each lies as PNG in the folder of its class, an unsafe character of a name as % and its number.  The folder must
    not be there yet, and appears when it is whole.  Raises InputError, also where there is no such picture, StoreError
    and OutputError.
    """
    with database.read() as session:
        row = found(session, campaign)
        accepted = get_question(row.question).accepted
        chosen = [one for one in settle_in(session, row, "majority") if one.answer == accepted]
        folder, sha256 = Path(row.bundle), row.bundle_sha256
    if not chosen:
        raise InputError(f"No item of {campaign} is settled as {accepted!r}: there is nothing to train on yet.")
    if out.exists():
        raise InputError(f"{out} is there already: name a new folder.")
    bundle = read_bundle(folder)
    if bundle.sha256 != sha256:
        raise InputError(f"{folder} is not the bundle that {campaign} was opened about: put that one back.")
    with unfinished(out) as made:
        for one, source in zip(chosen, _sources(bundle, chosen), strict=True):
            place = made / _safe(one.class_name)
            place.mkdir(exist_ok=True)
            shutil.copyfile(source, place / f"{_safe(one.item)}.png")
    return len(chosen)


def _sources(bundle: Bundle, chosen: list[Settled]) -> list[Path]:
    pictures = {item.name: item.pictures for item in bundle.items}
    for one in chosen:
        if SIDE not in pictures[one.item]:
            raise InputError(f"Item {one.item} has no changed picture, and this form is about those: take jsonl.")
    return [bundle.folder / pictures[one.item][SIDE] for one in chosen]


def _safe(name: str) -> str:
    return UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)
