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

GRACE = 5
"""Seconds beyond the asker's patience; after them this process has lost its asker, and ends."""

READY = b"ready\n"

Answer = Callable[[dict[str, Any]], tuple[dict[str, Any], bytes]]


def serve(source: BinaryIO, sink: BinaryIO, seconds: float, answer: Answer) -> None:
    """Answers until there are no more questions."""
    sink.write(READY)
    sink.flush()
    for line in source:
        signal.alarm(int(seconds) + GRACE)
        told, blob = answer(json.loads(line))
        sink.write(json.dumps({**told, "bytes": len(blob)}).encode() + b"\n")
        sink.write(blob)
        sink.flush()
        signal.alarm(0)


def main() -> None:
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold patients' data
    warnings.simplefilter("ignore")
    logging.disable()
    from pydicom import config

    from explain_core.dicom.answers import answer  # within the bounds

    config.settings.reading_validation_mode = config.IGNORE
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a codec that prints does not garble the answers
    serve(sys.stdin.buffer, sink, seconds, answer)


if __name__ == "__main__":
    main()
