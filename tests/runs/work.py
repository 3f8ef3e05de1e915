"""A worker in a process of its own.

python work.py URL AT_ONCE LOST_AFTER GRACE DEVICE,… [CALL]

With a CALL it is killed when it makes that call on the store.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from annotations.database import Database
from annotations.runs import RunStore
from explain_core.runs.worker import Pace, Worker
from tests.runs.kinds import KINDS


def deadly(store: RunStore, call: str) -> None:
    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(store, call, die)


def main(url: str, at_once: str, lost_after: str, grace: str, devices: str, call: str = "") -> None:
    store = RunStore(Database(url))
    if call:
        deadly(store, call)
    pace = Pace(beat=0.05, lost_after=float(lost_after), grace=float(grace))
    print(Worker(store, KINDS, devices=devices.split(","), at_once=int(at_once), pace=pace).run(until_idle=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
