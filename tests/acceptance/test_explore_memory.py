"""Issue F, line 6: the Explore page with the whole path of ρ at 224 × 224 takes less than 1.5 GB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torchvision.models import resnet18

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]
MOST_MB = 1500

EXPLORED = """
import resource, sys, time
from streamlit.testing.v1 import AppTest

def opened():
    app = AppTest.from_file(sys.argv[1], default_timeout=600)
    app.query_params["source"], app.query_params["model"] = "workspace", sys.argv[2]
    for knob in sys.argv[3:]:
        name, _, value = knob.partition("=")
        app.query_params[name] = value
    app.run()
    assert not app.exception and not app.error, (app.exception, app.error)
    return app.session_state["desk"]

desk = opened()
desk.release(list(desk._wishes))
while True:
    desk.want(list(desk._wishes.values()))
    desk.poll()
    if not desk.busy:
        break
    time.sleep(0.2)
assert all(desk.answer(job) for job in desk._wishes), "not everything was solved"
solved, again = len(desk._wishes), opened()  # the page as it is drawn when all is there
again.poll()
assert again.done
print(solved, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6, flush=True)
"""
"""Memory does not depend on how many there are, once L-BFGS has its whole history."""
FEW_STEPS = ("1.perceptual-ball.steps=12", "2.ape.steps=10", "3.explain-plus.steps=5")


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2", "resnet18"])
def test_the_whole_path_of_the_first_four_methods(name: str, shared_data: Path, tmp_path: Path) -> None:
    weights = shared_data / "imagenet" / f"{name}.safetensors"
    if name == "resnet18":  # no trained one is at hand, and memory does not depend on what the weights are
        weights = tmp_path / "resnet18.safetensors"
        save_file(resnet18().state_dict(), weights)
    settings = {"RHOSCOPE_HOME": str(tmp_path), "RHOSCOPE_WORKSPACE": str(shared_data / "pictures")}
    told = subprocess.run(
        [sys.executable, "-c", EXPLORED, str(ROOT / "app.py"), f"torchvision/{name}@{weights}", *FEW_STEPS],
        cwd=ROOT, env={**os.environ, **settings, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.stdout, told.stderr[-2000:]
    solved, megabytes = map(int, told.stdout.split())
    print(f"{name}: {solved} explanations, largest memory of the process {megabytes} MB")
    assert solved == 37
    assert megabytes < MOST_MB
