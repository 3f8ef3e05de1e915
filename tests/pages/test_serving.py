"""The app as a process, in each way of starting it: the route of pixels, and pages that are asked for by address."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from explain_core.films.pyramid import MapRaster
from tests.cli.test_app import free_port

ROOT = Path(__file__).resolve().parents[2]
STARTS = {"python": ["app.py"], "streamlit": ["-m", "streamlit", "run", "app.py"]}
SCRIPT = """
import numpy as np
import streamlit as st
from streamlit import runtime
from explain_core.films.pyramid import MapRaster
from pages.parts import pixels
if runtime.exists():
    st.text(pixels.address(MapRaster(np.linspace(0, 1, 600 * 700, dtype=np.float32).reshape(600, 700))))
else:
    app = st.App(__file__, routes=pixels.ROUTES)
"""


@contextmanager
def started(command: list[str], home: Path) -> Iterator[str]:
    """A process of Streamlit's; yields where it answers."""
    port = free_port()
    own = {"RHOSCOPE_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RHOSCOPE_SIGN_IN": "local"}
    flags = [f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command, *flags], cwd=ROOT, env={**os.environ, **own}, stdout=log, stderr=log
        )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
    assert "Traceback" not in (home / "log").read_text()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(address, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the app did not start")


def drawn(where: str, page: str, sought: str) -> str:
    """What a page sends until this stands there."""
    asked, text = BackMsg(), ""
    asked.rerun_script.page_name = page
    told = [Subprotocol("streamlit")]
    with connect(f"ws://{where}/_stcore/stream", subprotocols=told, max_size=None, proxy=None) as connection:
        connection.send(asked.SerializeToString())
        while not (found := re.search(sought, text)):
            text += bytes(connection.recv(timeout=60)).decode("latin-1")  # type: ignore[arg-type]
        return found[0]


@pytest.mark.parametrize("way", STARTS)
def test_every_way_of_starting_serves_pages_and_pixels(way: str, tmp_path: Path) -> None:
    with started(STARTS[way], tmp_path) as where:
        answer = httpx.get(f"http://{where}/pixels/made-up/0/0/0", trust_env=False)
        assert (answer.status_code, "load the page again" in answer.text) == (403, True)
        assert drawn(where, "methods", "not for diagnosis")  # app.py stands around it


def test_a_page_and_the_route_share_a_process(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SCRIPT)
    raster = MapRaster(np.linspace(0, 1, 600 * 700, dtype=np.float32).reshape(600, 700))
    with started(["-m", "streamlit", "run", str(tmp_path / "small.py")], tmp_path) as where:
        address = drawn(where, "", r"/pixels/[0-9a-f]{154}")
        for place in ((0, 0, 0), (0, 1, 1), (1, 0, 0)):
            answer = httpx.get(f"http://{where}{address}/{'/'.join(map(str, place))}", trust_env=False)
            assert answer.content == raster.tile(*place)
            assert answer.headers["content-encoding"] == "identity"  # httpx would have taken gzip
