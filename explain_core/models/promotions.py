"""Which version of a registered model is its current one, since when, who decided so, and why.

    WORKSPACE/models/NAME/promotions.json    [{"version": 3, "before": 2, "by": "…", "why": "…", "at": "…"}, …]

`registry/NAME` is the version that was promoted last, or the newest where none was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from explain_core.errors import OutputError, ParamError
from explain_core.models.folders import beside

FILE, LOCK = "promotions.json", "lock"
LONGEST_WHY = 500


@dataclass(frozen=True)
class Promotion:
    """`version` took the place of `before`, which is None where there was nothing before."""

    version: int
    before: int | None
    by: str
    why: str
    at: str


def promotions(shelf: Path) -> list[Promotion]:
    """The oldest first; raises OutputError where the file is damaged."""
    path = shelf / FILE
    try:
        values = json.loads(path.read_text("utf-8"))
        names = [item.name for item in fields(Promotion)]
        return [Promotion(**{name: one[name] for name in names}) for one in values]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError):
        raise OutputError(f"{path} is no list of promotions: restore it from a backup, or remove it.") from None


def check_told(by: str, why: str) -> None:
    """Raises ParamError unless it is said who decides, and why."""
    if not by.strip() or not why.strip() or len(why) > LONGEST_WHY:
        raise ParamError(f"Who promotes, and why, must be told, in at most {LONGEST_WHY} characters.")


def note(shelf: Path, version: int, before: int | None, *, by: str, why: str) -> Promotion:
    """Adds a decision; raises ParamError, OutputError."""
    check_told(by, why)
    made = Promotion(version, before, by, why, datetime.now(UTC).isoformat(timespec="seconds"))
    path = shelf / FILE
    unfinished = beside(path)
    try:
        with FileLock(shelf / LOCK):
            told = json.dumps([asdict(one) for one in (*promotions(shelf), made)], indent=1, ensure_ascii=False)
            unfinished.write_text(told + "\n", "utf-8")
            unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}; nothing was promoted.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return made
