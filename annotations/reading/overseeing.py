"""A study as whoever organises it sees it: how far it is, its figures, and its tables.

All of it takes the right to organise.  An organiser who reads in a study themselves is a reader first: until it is
closed, its arms, the reasons why cases are blocked, its figures and its tables are not handed out to them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from annotations.agreement import Resampling
from annotations.database import Database
from annotations.people import allowed
from annotations.reading.analysis import analyse
from annotations.reading.export import export
from annotations.reading.studies import CLOSED, Studies, Study
from explain_core.errors import RightsError


class Overseer:
    """What one organiser may see; methods raise RightsError, InputError, StoreError."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name

    def studies(self) -> list[Study]:
        """The newest first; of those that `is_blinded` the arms, what was asked and reasons are left out."""
        with self._database.read() as session:
            allowed(session, self._name, "organise")
        return [self._told(one) for one in Studies(self._database).find()]

    def is_blinded(self, study: Study) -> bool:
        return study.state != CLOSED and any(reader.reader == self._name for reader in study.readers)

    def check(self, name: str) -> None:
        """Raises RightsError where the truth, the arms and the answers of a study are not for them, or not yet."""
        with self._database.read() as session:
            allowed(session, self._name, "organise")
        if self.is_blinded(Studies(self._database).get(name)):
            raise RightsError(
                f"{self._name} reads in {name}: its arms, truth and answers are shown to them once it is closed."
            )

    def figures(self, name: str, resampling: Resampling | None = None) -> dict[str, Any]:
        """As `analyse` gives them; raises InputError too where no case of a known truth was read."""
        self.check(name)
        return analyse(self._database, name, resampling)

    def table(self, name: str, table: str) -> str:
        """The text of a CSV file, as `export` gives it."""
        self.check(name)
        return export(self._database, name, table)

    def _told(self, study: Study) -> Study:
        if not self.is_blinded(study):
            return study
        return replace(study, arms=(), spec={}, blocked=dict.fromkeys(study.blocked, ""))
