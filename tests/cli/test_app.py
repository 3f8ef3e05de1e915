"""`rhoscope app` listens where it is told, on this machine only, and knows what it may open."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import main
from explain_core.runs import beside

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[tuple[list[str], dict[str, str]]]]:
    """What the process would become: the one thing that cannot be run inside a test."""
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    seen: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _path, arguments, environment: seen.append((arguments, environment)))
    yield seen
    for worker in beside._started:
        worker.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_settings_reach_the_page(handed_over: list[tuple[list[str], dict[str, str]]], tmp_path: Path) -> None:
    port = free_port()
    assert main(["app", "--port", str(port), "--allow-code", str(tmp_path), "--workspace", str(tmp_path)]) == 0
    ((arguments, environment),) = handed_over
    assert arguments[:2] == [sys.executable, str(ROOT / "app.py")]
    assert "--server.address=127.0.0.1" in arguments
    assert f"--server.port={port}" in arguments
    assert environment["RHOSCOPE_PORT"] == str(port)
    assert (tmp_path / "home" / beside.LOG).exists()  # a worker was started beside it
    assert environment["RHOSCOPE_ALLOW_CODE"] == environment["RHOSCOPE_WORKSPACE"] == str(tmp_path)


def test_the_port_follows_the_environment(
    handed_over: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("RHOSCOPE_PORT", str(port))
    monkeypatch.delenv("RHOSCOPE_ALLOW_CODE", raising=False)
    assert main(["app"]) == 0
    ((arguments, environment),) = handed_over
    assert f"--server.port={port}" in arguments
    assert "RHOSCOPE_ALLOW_CODE" not in environment


def test_a_cache_is_asked_for_made_private_and_checked(
    handed_over: list[tuple[list[str], dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for name in ("RHOSCOPE_CACHE", "RHOSCOPE_CACHE_GIB"):
        monkeypatch.delenv(name, raising=False)
    port = str(free_port())
    assert main(["app", "--port", port]) == 0
    assert "RHOSCOPE_CACHE" not in handed_over[0][1]
    assert main(["app", "--port", port, "--cache", str(tmp_path / "kept"), "--cache-gib", "0.5"]) == 0
    environment = handed_over[1][1]
    assert (environment["RHOSCOPE_CACHE"], environment["RHOSCOPE_CACHE_GIB"]) == (str(tmp_path / "kept"), "0.5")
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    (tmp_path / "file").write_text("")
    assert main(["app", "--port", port, "--cache", str(tmp_path / "file" / "kept")]) == 2
    assert "--cache" in capsys.readouterr().err


def test_a_port_in_use_and_a_missing_folder_are_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["app", "--port", port]) == 2
    assert f"port {port}" in capsys.readouterr().err
    assert main(["app", "--port", str(free_port()), "--workspace", str(tmp_path / "none")]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert main(["app", "--port", "http"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_server_answers_on_its_port() -> None:
    port = free_port()
    command = [sys.executable, "-m", "cli", "app", "--port", str(port)]
    spoken = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=spoken, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = next(line for line in process.stdout if "http" in line)
            assert f"http://127.0.0.1:{port}" in said
            with socket.create_connection(("127.0.0.1", port), timeout=30) as page:
                page.sendall(b"GET /_stcore/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                assert b"200 OK" in page.recv(4096)
        finally:
            process.terminate()
            process.communicate()  # it says goodbye, so somebody has to listen
