"""The app as it is, but its clock goes on by what a file says, and it looks at it every five seconds.

python serve_team.py PORT CLOCK_FILE [FLAG …]
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

from pages.parts import sign_in, watch

ROOT = Path(__file__).resolve().parents[2]


def main(port: str, clock: str, *flags: str) -> None:
    sign_in.clock = lambda: time.time() + float(Path(clock).read_text())
    watch.LOOK_S = 5.0
    sys.argv = ["app.py", "--server.port", port, "--server.headless", "true", *flags]
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
