"""Long work as rows of the `runs` table: asked for, claimed by a worker, watched, ended.

    submit → waiting ─ claim → running ─ finish → done
                ↑                │────── fail   → failed
                │← hand back ────│────── asked to cancel → cancelled
                └─ worker lost ──┘────── lost too often  → interrupted

`retry` puts an ended run back to waiting, with the same folder, so that it goes on where it was.
Every change is one transaction, and whoever reports on a run must still hold it: a worker that was
taken for lost and comes back can change nothing.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from annotations.database import Database
from annotations.tables import MetricRow, RunRow
from annotations.workspace import runs_folder
from explain_core.errors import InputError, suggest
from explain_core.records import UNDER_WAY, Run, RunState

Order = Literal["go on", "cancel", "lost"]
Curve = tuple[list[int], list[float | None]]
Point = tuple[int, Mapping[str, float]]
MOST_LOSSES = 3
"""So often may a run's worker be lost before the run is taken for the cause."""
DEVICE = r"auto|cpu|cuda(:\d+)?"
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_FIELDS = [item.name for item in fields(Run)]


def now() -> datetime:
    return datetime.now(UTC)


class RunStore:
    """The runs of a database; its methods raise StoreError, and InputError for a run that does not fit."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def __reduce__(self) -> tuple[Callable[[str], RunStore], tuple[str]]:
        return _store_at, (self._database.url,)

    def submit(
        self, kind: str, spec: Mapping[str, Any], *, title: str, out: Path | None = None, wants: str = "auto"
    ) -> Run:
        """A new run that waits; its folder `out` belongs to no other run under way."""
        if not re.fullmatch(DEVICE, wants):
            raise InputError(f"Device {wants!r}: it must be auto, cpu, cuda or cuda:N.")
        name = "".join(secrets.choice(LETTERS) for _ in range(8))
        place = str((out or runs_folder() / name).absolute())
        with self._database.write() as session:
            self._database.hold(session, "runs: folders")
            _check_unused(session, place)
            row = RunRow(
                id=name, kind=kind, title=_line(title, 200), spec=dict(spec), state="waiting", out=place, wants=wants,
                created=self._clock(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            return _run(row)

    def get(self, name: str) -> Run:
        """The run of this id, or of the only id that begins so."""
        with self._database.read() as session:
            return _run(_found(session, name))

    def find(self, *, kind: str | None = None, states: Iterable[RunState] = (), most: int | None = None) -> list[Run]:
        """The newest first."""
        asked = select(RunRow).order_by(RunRow.created.desc(), RunRow.id).limit(most)
        if kind is not None:
            asked = asked.where(RunRow.kind == kind)
        if wanted := tuple(states):
            asked = asked.where(RunRow.state.in_(wanted))
        with self._database.read() as session:
            return [_run(row) for row in session.scalars(asked)]

    def curves(self, name: str) -> dict[str, Curve]:
        """Steps and values by name; of a step that a resumed run repeated, the later value."""
        asked = select(MetricRow.name, MetricRow.step, MetricRow.value).where(MetricRow.run_id == name)
        found: dict[str, dict[int, float | None]] = {}
        with self._database.read() as session:
            for metric, step, value in session.execute(asked.order_by(MetricRow.id)):
                found.setdefault(metric, {})[step] = value
        return {metric: _curve(values) for metric, values in sorted(found.items())}

    def claim(self, worker: str, host: str, device: str, *, kinds: Iterable[str], at_once: int) -> Run | None:
        """The longest waiting run that this worker can carry out, now its own, or None.

        On `device` of `host`, no more than `at_once` run at the same time, whoever runs them.
        """
        waiting = (RunRow.state == "waiting", RunRow.wants.in_(_suits(device)), RunRow.kind.in_(tuple(kinds)))
        oldest = select(RunRow).where(*waiting).order_by(RunRow.created, RunRow.id).limit(1)
        with self._database.read() as session:
            if session.scalar(oldest) is None:  # most of the time, and then nobody needs to be kept from writing
                return None
        with self._database.write() as session:
            self._database.hold(session, f"runs: {host} {min(_same(device))}")
            busy = (RunRow.state == "running", RunRow.host == host, RunRow.device.in_(_same(device)))
            if (session.scalar(select(func.count()).where(*busy)) or 0) >= at_once:
                return None
            row = session.scalar(oldest.with_for_update(skip_locked=True))
            if row is None:
                return None
            row.state, row.attempt, row.base = "running", row.attempt + 1, row.progress
            row.worker, row.host, row.device, row.pid = worker, host, device, None
            row.started = row.heartbeat = self._clock()
            row.finished = row.error = None
            return _run(row)

    def begun(self, run: Run, pid: int) -> None:
        """Notes its process, for people who look for it."""
        with self._database.write() as session:
            session.execute(update(RunRow).where(*_held(run)).values(pid=pid))

    def beat(self, runs: Sequence[Run]) -> dict[str, Order]:
        """Says that these are alive, and hears what is wanted of each."""
        orders: dict[str, Order] = {}
        with self._database.write() as session:
            for run in runs:
                row = session.scalar(select(RunRow).where(*_held(run)).with_for_update())
                if row is None:
                    orders[run.id] = "lost"
                else:
                    row.heartbeat = self._clock()
                    orders[run.id] = "cancel" if row.cancel_asked else "go on"
        return orders

    def report(self, run: Run, progress: float, note: str = "", points: Sequence[Point] = ()) -> bool:
        """How far it is, 0 … 1, at what, and new points of its curves; False where the run is not held any more."""
        values = {"progress": min(1.0, max(0.0, progress)), "note": _line(note, 200)}
        with self._database.write() as session:
            held = _changed(session, run, values)
            if held:
                _add_points(session, run, points)
            return held

    def finish(self, run: Run, points: Sequence[Point] = ()) -> bool:
        """It is done; True where it was still held."""
        with self._database.write() as session:
            held = _changed(session, run, {"state": "done", "progress": 1.0, "finished": self._clock()})
            if held:
                _add_points(session, run, points)
            return held

    def fail(self, run: Run, error: str, points: Sequence[Point] = ()) -> bool:
        """It ended with an error, told in one line."""
        with self._database.write() as session:
            values = {"state": "failed", "error": _line(error, 500), "finished": self._clock()}
            held = _changed(session, run, values)
            if held:
                _add_points(session, run, points)
            return held

    def stopped(self, run: Run) -> bool:
        """It was stopped from outside: cancelled where that was asked for, and handed back otherwise."""
        with self._database.write() as session:
            row = session.scalar(select(RunRow).where(*_held(run)).with_for_update())
            if row is not None:
                _let_go(row, self._clock())
            return row is not None

    def ask_cancel(self, name: str) -> Run:
        """A waiting run is cancelled at once, a running one as soon as its worker has stopped it."""
        with self._database.write() as session:
            row = _found(session, name, lock=True)
            if row.state not in UNDER_WAY:
                raise InputError(f"Run {row.id} is {row.state}: only one that waits or runs can be cancelled.")
            row.cancel_asked = True
            if row.state == "waiting":
                row.state, row.finished = "cancelled", self._clock()
            return _run(row)

    def retry(self, name: str) -> Run:
        """Lets an ended run go on in its folder."""
        with self._database.write() as session:
            self._database.hold(session, "runs: folders")
            row = _found(session, name, lock=True)
            if row.state in UNDER_WAY or row.state == "done":
                raise InputError(f"Run {row.id} is {row.state}: only one that ended before it was done can go on.")
            if not row.spec:
                raise InputError(f"Run {row.id} was started from a shell: go on with the same command there.")
            _check_unused(session, row.out)
            row.state, row.losses, row.cancel_asked = "waiting", 0, False
            row.error = row.finished = row.worker = row.pid = None
            return _run(row)

    def recover(self, lost_after: float) -> list[Run]:
        """Takes back what nobody has spoken for in `lost_after` seconds; returns those runs as they are now."""
        moment = self._clock()
        limit = datetime.fromtimestamp(moment.timestamp() - lost_after, UTC)
        silent = select(RunRow).where(RunRow.state == "running", RunRow.heartbeat < limit)
        with self._database.read() as session:
            if session.scalar(silent.limit(1)) is None:
                return []
        with self._database.write() as session:
            rows = list(session.scalars(silent.with_for_update(skip_locked=True)))
            for row in rows:
                row.losses += 1
                _let_go(row, moment)
                if row.state == "waiting" and row.losses >= MOST_LOSSES:
                    row.state, row.finished = "interrupted", moment
                    row.error = f"Its worker was lost {row.losses} times: see its log, and retry it."
            return [_run(row) for row in rows]

    def nothing_left(self, device: str, kinds: Iterable[str]) -> bool:
        """Whether no run waits for such a worker, and none runs there that might come back to it."""
        waits = (RunRow.state == "waiting") & RunRow.wants.in_(_suits(device)) & RunRow.kind.in_(tuple(kinds))
        runs = (RunRow.state == "running") & RunRow.device.in_(_same(device))
        with self._database.read() as session:
            return session.scalar(select(RunRow.id).where(waits | runs).limit(1)) is None

    def adopt(self, kind: str, out: Path, state: RunState, *, spec: Mapping[str, Any], ended: datetime) -> None:
        """A row for a folder that was made without one; nothing in the folder is touched."""
        place = str(out.absolute())
        with self._database.write() as session:
            self._database.hold(session, "runs: folders")
            row = session.scalar(select(RunRow).where(RunRow.out == place).order_by(RunRow.created.desc()).limit(1))
            if row is None:
                name = "".join(secrets.choice(LETTERS) for _ in range(8))
                row = RunRow(id=name, kind=kind, title=_line(out.stem, 200), spec=dict(spec), out=place, wants="auto",
                             state=state, created=ended)  # fmt: skip
                session.add(row)
            if not row.attempt and row.state in ("interrupted", "done"):  # nobody has run it from here
                row.state, row.finished, row.progress = state, ended, float(state == "done")


def _same(device: str) -> set[str]:
    """All names of a device: the first GPU has two."""
    first = {"cuda", "cuda:0"}
    return first if device in first else {device}


def _suits(device: str) -> set[str]:
    """What a run may want that such a device carries out."""
    return {"auto", *_same(device)} | ({"cuda"} if device.startswith("cuda") else set())


def _store_at(url: str) -> RunStore:
    return RunStore(Database(url))


def _run(row: RunRow) -> Run:
    return Run(**{name: getattr(row, name) for name in _FIELDS})


def _found(session: Session, name: str, *, lock: bool = False) -> RunRow:
    asked = select(RunRow).where(RunRow.id.startswith(name, autoescape=True)).limit(2)
    rows = list(session.scalars(asked.with_for_update() if lock else asked)) if name else []
    rows = [row for row in rows if row.id == name] or rows
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise InputError(f"More than one run begins with {name!r}: give more of its id.")
    known = session.scalars(select(RunRow.id).order_by(RunRow.created.desc()).limit(50))
    raise InputError(f"No run {name!r}: {suggest(name, known)}")


def _held(run: Run) -> tuple[ColumnElement[bool], ...]:
    """Still in this attempt's hands."""
    mine = (RunRow.worker == run.worker) & (RunRow.attempt == run.attempt)
    return (RunRow.id == run.id, RunRow.state == "running", mine)


def _changed(session: Session, run: Run, values: Mapping[str, Any]) -> bool:
    changed = session.execute(update(RunRow).where(*_held(run)).values(**values).returning(RunRow.id))
    return changed.first() is not None


def _add_points(session: Session, run: Run, points: Sequence[Point]) -> None:
    rows = [
        {"run_id": run.id, "step": step, "name": name, "value": value if math.isfinite(value) else None}
        for step, values in points
        for name, value in values.items()
    ]
    if rows:
        session.execute(insert(MetricRow), rows)


def _let_go(row: RunRow, moment: datetime) -> None:
    row.worker = row.pid = None
    if row.cancel_asked:
        row.state, row.finished = "cancelled", moment
    else:
        row.state = "waiting"


def _check_unused(session: Session, place: str) -> None:
    other = session.scalar(select(RunRow).where(RunRow.out == place, RunRow.state.in_(UNDER_WAY)).limit(1))
    if other is not None:
        raise InputError(f"{Path(place).stem} is {other.state} already: wait, cancel it, or choose another name.")


def _curve(values: Mapping[int, float | None]) -> Curve:
    steps = sorted(values)
    return steps, [values[step] for step in steps]


def _line(text: str, most: int) -> str:
    return " ".join(text.split())[:most]
