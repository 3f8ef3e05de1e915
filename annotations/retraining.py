"""From labels to a new network: when it is worth it, what exactly was trained on, and what replaced what.

A freeze writes manifest.json, which nothing changes any more, and notes its SHA-256 in the store and in the log:

    {"format": 1, "campaign": "lesions", "question": "unchanged", "bundle": {"folder": "…", "sha256": "…"},
     "spec": {…}, "cut_off": "2026-…", "head": "…", "rule": "majority", "accept": "unchanged",
     "labels": [{"item": "0001", "answer": "unchanged", "decided": false, "keys": ["…"]}, …],
     "raters": {"people": 3, "simulated": 0}, "plan": {…}, "by": "ada", "created": "2026-…", "rhoscope": "0.1.0"}

`head` is where the log stood, so what was frozen can be told apart from what came later; `keys` name the labels.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from annotations import audit
from annotations.campaigns import found
from annotations.database import Database
from annotations.files import write
from annotations.people import allowed
from annotations.questions import Question, get_question
from annotations.runs import RunStore, now
from annotations.settling import Settled, settle_in
from annotations.tables import AuditHeadRow, CampaignRow, ItemRow, LabelRow, PersonRow, RetrainingRow
from annotations.workspace import runs_folder
from explain_core import __version__
from explain_core.errors import InputError
from explain_core.records import SIMULATED, Run

FILE, FORMAT, LONGEST_WHY = "manifest.json", 1, 500
KIND = "retrain"


@dataclass(frozen=True)
class Proposal:
    """Labels that are `new` since the last freeze, how many items each answer has by majority, and when that was."""

    new: int
    settled: Mapping[str, int]
    last: datetime | None


@dataclass(frozen=True)
class Retraining:
    """A manifest in `folder`, frozen when the campaign had so many `labels`, taken back ones among them."""

    folder: Path
    manifest_sha256: str
    campaign: str
    author: str
    created: datetime
    labels: int


class Retrainings:
    """The table of what was frozen; its methods raise StoreError, InputError, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def propose(self, campaign: str) -> Proposal:
        """What a retraining would have to go by now; each answer of the question is counted, also with 0."""
        with self._database.read() as session:
            row = found(session, campaign)
            counts = Counter(one.answer for one in settle_in(session, row, "majority"))
            newest = select(RetrainingRow).where(RetrainingRow.campaign_id == row.id).order_by(RetrainingRow.id.desc())
            last = session.scalar(newest.limit(1))
            return Proposal(
                _labels(session, row) - (last.labels if last else 0),
                {one.name: counts[one.name] for one in get_question(row.question).answers},
                last.created if last else None,
            )

    def freeze(self, campaign: str, plan: Mapping[str, Any], *, rule: str, by: str, out: Path) -> Path:
        """Writes `out`/manifest.json about all labels there are now, and notes it; neither is there without the other.

        `plan` is what is to be trained and how, as JSON has it.  Also raises InputError where a manifest is there
        already or no item may be trained on, OutputError where it cannot be written.
        """
        path = out.absolute() / FILE
        with ExitStack() as undo:
            with self._database.write() as session:
                allowed(session, by, "organise")
                row = found(session, campaign)
                self._database.hold(session, f"campaign {row.id}")
                moment = self._clock()
                manifest = _manifest(session, row, plan, rule, by, moment)
                if path.exists():
                    raise InputError(f"{path} is there already, and is never changed: name another folder.")
                content = (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
                write(path, content)
                undo.callback(path.unlink, missing_ok=True)
                _note(session, row, path.parent, hashlib.sha256(content).hexdigest(), by, moment)
            undo.pop_all()  # the transaction is committed: what was written stays
        return path

    def start(self, campaign: str, plan: Mapping[str, Any], *, rule: str, by: str, out: Path) -> Run:
        """Freezes, and puts a retraining in the folder `out` into the table of runs."""
        path = self.freeze(campaign, plan, rule=rule, by=by, out=out)
        spec = {"campaign": campaign, "manifest": str(path)}
        return RunStore(self._database, self._clock).submit(KIND, spec, title=out.stem, out=out)

    def model_of(self, campaign: str) -> str:
        """The spec of the network that made the campaign's items, or an empty text."""
        with self._database.read() as session:
            return str(found(session, campaign).spec.get("model", ""))

    def check_right(self, by: str) -> None:
        """Raises RightsError for somebody who may not organise."""
        with self._database.read() as session:
            allowed(session, by, "organise")

    def find(self, campaign: str | None = None) -> list[Retraining]:
        """The newest first, of one campaign or of all."""
        asked = select(RetrainingRow, CampaignRow.name).join(CampaignRow).order_by(RetrainingRow.id.desc())
        with self._database.read() as session:
            if campaign is not None:
                asked = asked.where(RetrainingRow.campaign_id == found(session, campaign).id)
            return [
                Retraining(
                    runs_folder() / row.folder, row.manifest_sha256, name, row.author, row.created, row.labels
                )
                for row, name in session.execute(asked).all()
            ]  # fmt: skip

    def promoted(
        self, name: str, version: int, previous: int | None, *, why: str, by: str, manifest_sha256: str | None = None
    ) -> None:
        """Notes that a model's version took the place of the one before, by whom and why; a roll-back is one too."""
        if not why.strip() or len(why) > LONGEST_WHY:
            raise InputError(f"A reason of {len(why.strip())} characters: say in 1 to {LONGEST_WHY} why.")
        told = {"name": name, "version": version, "previous": previous, "why": why, "manifest": manifest_sha256}
        with self._database.write() as session:
            allowed(session, by, "organise")
            audit.record(session, self._clock(), by, audit.PROMOTED, told)


def _labels(session: Session, row: CampaignRow) -> int:
    """How many labels a campaign has, superseded ones and those that took one back among them."""
    asked = select(func.count()).select_from(LabelRow).join(ItemRow).where(ItemRow.campaign_id == row.id)
    return session.scalar(asked) or 0


def _note(session: Session, row: CampaignRow, folder: Path, sha256: str, by: str, moment: datetime) -> None:
    """Folders of runs are noted from where runs are, and are found again where a backup was restored."""
    runs = runs_folder().absolute()
    place = folder.relative_to(runs) if folder.is_relative_to(runs) else folder
    made = RetrainingRow(
        campaign_id=row.id, manifest_sha256=sha256, folder=str(place), labels=_labels(session, row), author=by,
        created=moment,
    )  # fmt: skip
    session.add(made)
    session.flush()
    audit.record(session, moment, by, audit.RETRAINED, audit.retraining_detail(made))


def _manifest(
    session: Session, row: CampaignRow, plan: Mapping[str, Any], rule: str, by: str, moment: datetime
) -> dict[str, Any]:
    question, answers = get_question(row.question), settle_in(session, row, rule)
    _check(row, question, answers, rule)
    return {
        "format": FORMAT, "campaign": row.name, "question": row.question,
        "bundle": {"folder": row.bundle, "sha256": row.bundle_sha256}, "spec": row.spec,
        "cut_off": moment.isoformat(), "head": session.get_one(AuditHeadRow, 1).hash, "rule": rule,
        "accept": question.accepted, "labels": [_told(one) for one in answers], "raters": _raters(session, row),
        "plan": dict(plan), "by": by, "created": moment.isoformat(), "rhoscope": __version__,
    }  # fmt: skip


def _raters(session: Session, row: CampaignRow) -> dict[str, int]:
    """How many people have answered, and how many that are none (`rhoscope simulated-rater`)."""
    of = select(LabelRow.person_id).join(ItemRow).where(ItemRow.campaign_id == row.id)
    names = session.scalars(select(PersonRow.name).where(PersonRow.id.in_(of))).all()
    simulated = sum(name.startswith(f"{SIMULATED} ") for name in names)
    return {"people": len(names) - simulated, "simulated": simulated}


def _told(one: Settled) -> dict[str, Any]:
    return {"item": one.item, "answer": one.answer, "decided": one.decided, "keys": list(one.keys)}


def _check(row: CampaignRow, question: Question, answers: Sequence[Settled], rule: str) -> None:
    """Raises InputError where there would be nothing to train on."""
    if "adversarial" not in dict(question.pictures):
        raise InputError(f"{row.name} asks {question.name!r}, about explanations: take one about changed pictures.")
    if not any(one.answer == question.accepted for one in answers):
        counts = Counter(one.answer for one in answers)
        told = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items())) or "no answers yet"
        raise InputError(
            f"No item of {row.name} is settled as {question.accepted!r} by the rule {rule} ({told}), and those are "
            "what is trained on: have more items answered, or decide about some."
        )
