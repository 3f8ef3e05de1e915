"""The app as it is, its start behind it, and beside it a port that tells how many steps its engines have begun.

python serve.py PORT COUNTER_PORT
"""

from __future__ import annotations

import runpy
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import explain_core.engine
from explain_core.engine import Engine
from pages.parts.starting import NEEDED

ROOT = Path(__file__).resolve().parents[2]
ENGINES: list[Engine] = []


class Counted(Engine):
    """The real engine, remembered."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        ENGINES.append(self)


class Counter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(sum(engine.slices for engine in ENGINES)).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def main(port: str, counter: str) -> None:
    for name in NEEDED:
        import_module(name)
    explain_core.engine.Engine = Counted  # type: ignore[misc]
    threading.Thread(target=HTTPServer(("127.0.0.1", int(counter)), Counter).serve_forever, daemon=True).start()
    sys.argv = ["app.py", "--server.port", port, "--server.headless", "true"]
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
