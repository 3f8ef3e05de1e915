"""Whose films are mixed up: one patient ID with several names, one study or folder with several patients."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from explain_core.films.record import SURE, WHOSE, Record, State, save, whole_records


class People:
    """Who was met where: what betrays that two people were mixed up."""

    def __init__(self, films: Path) -> None:
        self.folders: defaultdict[Path, set[str]] = defaultdict(set)
        self.studies: defaultdict[str, set[str]] = defaultdict(set)
        self.checks: defaultdict[str, set[str]] = defaultdict(set)
        for record in (*whole_records(films), *whole_records(films, quarantined=True)):
            self._note(record)

    def met(self, record: Record, folder: Path) -> Record:
        """The record, with a note where its patient's other films, or its study's, are of somebody else."""
        self.folders[folder].add(record.patient)
        self._note(record)
        return self._doubted(record)

    def doubt(self, new: list[Record], films: Path) -> list[Record]:
        """The same note for films that came before the one that betrayed it; the new ones as they are now."""
        for record in [*whole_records(films), *whole_records(films, quarantined=True)]:
            if (now := self._doubted(record)) != record:
                save(films, now)
        return [self._doubted(record) for record in new]

    def _doubted(self, record: Record) -> Record:
        doubts = []
        if len(self.checks[record.patient]) > 1:
            doubts.append(f"one patient ID with several names or birth dates: {WHOSE}")
        if len(self.studies[record.uids[0]]) > 1:
            doubts.append(f"one study with several patients: {WHOSE}")
        left = [doubt for doubt in doubts if doubt not in record.notes]
        if SURE in record.notes or not left:
            return record
        state: State = record.state if record.state == "quarantined" else "unconfirmed"
        return replace(record, notes=(*record.notes, *left), state=state)

    def notes(self) -> list[str]:
        mixed = sum(len(patients) > 1 for patients in self.folders.values())
        twice = sum(len(checks) > 1 for checks in self.checks.values())
        told = [f"{mixed} of {len(self.folders)} folders hold films of several patients"] if mixed else []
        return told + ([f"{twice} patients have several names or birth dates under one ID"] if twice else [])

    def _note(self, record: Record) -> None:
        if record.person:
            self.checks[record.patient].add(record.person)
        if record.uids[0]:
            self.studies[record.uids[0]].add(record.patient)
