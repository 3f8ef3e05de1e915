"""The key of a workspace: with it a patient always gets the same pseudonym; without it nobody can tell who that is."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from explain_core.errors import OutputError

LENGTH = 32
NAME = "films.key"


def workspace_key(workspace: Path) -> bytes:
    """The 32 bytes of WORKSPACE/films.key, which is made, for its owner's eyes only, where it is not there.

    Raises OutputError where it cannot be written or read, is damaged, or is open to others.
    """
    path = workspace / NAME
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        _make(path)
        if path.stat().st_mode & 0o077:
            raise OutputError(f"{NAME} of the workspace can be read by others: make it yours alone (chmod 600).")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise OutputError(f"Cannot use {NAME} of the workspace: {error.strerror}; check its rights.") from None
    except ValueError:
        key = b""
    if len(key) != LENGTH:
        raise OutputError(
            f"{NAME} of the workspace is damaged: put it back from where you keep it; a new one renames all."
        )
    return key


def keyed(key: bytes, purpose: str, text: str) -> bytes:
    """32 bytes that belong to a text for one purpose (HMAC-SHA256)."""
    return hmac.new(key, f"{purpose}\0{text}".encode("utf-8", "surrogateescape"), hashlib.sha256).digest()


def _make(path: Path) -> None:
    """Writes a new key under a temporary name and links it into place, so that of two processes one wins."""
    if path.exists():
        return
    temporary = path.with_name(f".{NAME}-{os.getpid()}-{secrets.token_hex(4)}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(LENGTH) + "\n")
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
