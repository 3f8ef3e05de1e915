"""What memory explaining pictures takes: the largest that a process of its own has had.

    python -m explain_core.bench.footprint     the question as JSON on stdin, MiB on stdout

The process loads the model, and explains and writes pictures from files as `rhoscope explain` does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explain_core.errors import InputError, ModelError

STATUS = Path("/proc/self/status")
HIGH_WATER = "VmHWM:"


def footprint(
    spec: str,
    method: str,
    given: Mapping[str, Any],
    count: int,
    size: tuple[int, int],
    memory: float,
    threads: int,
) -> float:
    """MiB, for `count` pictures of `size` (h, w) with `memory` GiB for a batch; raises InputError or ModelError."""
    if not STATUS.exists():
        raise InputError(f"There is no {STATUS} on this system: measure memory on Linux.")
    with tempfile.TemporaryDirectory() as folder:
        asked = {
            "spec": spec,
            "method": method,
            "given": dict(given),
            "files": _pictures(Path(folder), count, size),
            "out": str(Path(folder) / "out"),
            "memory": memory,
            "threads": threads,
        }
        command = [sys.executable, "-m", "explain_core.bench.footprint"]
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise ModelError(f"{spec} does not work in a process of its own ({last}); give a spec that names it anywhere.")
    return float(done.stdout)


def _pictures(folder: Path, count: int, size: tuple[int, int]) -> list[str]:
    """Files of noise."""
    files = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        files.append(str(folder / f"{number}.png"))
        Image.fromarray(pixels).save(files[-1])
    return files


def main() -> None:
    """What the process does; raises RhoscopeError."""
    import torch

    from explain_core.asked import Asked
    from explain_core.batch import explain_files
    from explain_core.models.zoo import load_model

    asked = json.load(sys.stdin)
    torch.set_num_threads(asked["threads"])
    question = Asked({asked["method"]: asked["given"]}, memory=asked["memory"])
    done = explain_files(load_model(asked["spec"]), list(map(Path, asked["files"])), question, Path(asked["out"]))
    if done.faults:
        raise InputError(done.faults[0])
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(HIGH_WATER))
    print(int(line.split()[1]) / 1024)


if __name__ == "__main__":
    main()
