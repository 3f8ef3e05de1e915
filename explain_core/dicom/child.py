"""The decoder's own process: one question a line on stdin, an answer in a line and bytes on stdout.

It never loads torch, may use so much memory and no more, and dies rather than hang.  What a hostile file does to a
codec, it does here; what comes out is JSON and numbers, which cannot be made to run.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

READING = 60.0
"""Seconds for reading a file, which may lie on a slow disk."""

READY = b"ready\n"

Allow = Callable[[float], None]
Answer = Callable[[dict[str, Any], Allow], tuple[dict[str, Any], bytes]]


def serve(source: BinaryIO, sink: BinaryIO, answer: Answer, *, seconds: float, per_megapixel: float) -> None:
    """Answers until there are no more questions, or one took too long: then SIGALRM ends the process."""

    def allow(megapixels: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(1e-3, seconds + per_megapixel * megapixels))

    sink.write(READY)
    sink.flush()
    for line in source:
        signal.setitimer(signal.ITIMER_REAL, READING)
        told, blob = answer(json.loads(line), allow)
        signal.setitimer(signal.ITIMER_REAL, READING)  # to be fetched
        sink.write(json.dumps({**told, "bytes": len(blob)}).encode() + b"\n")
        sink.write(blob)
        sink.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    memory, seconds, per_megapixel = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold patients' data
    warnings.simplefilter("ignore")
    logging.disable()
    from pydicom import config

    from explain_core.dicom.answers import answer  # within the bounds

    config.settings.reading_validation_mode = config.IGNORE
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a codec that prints does not garble the answers
    serve(sys.stdin.buffer, sink, answer, seconds=seconds, per_megapixel=per_megapixel)


if __name__ == "__main__":
    main()
