"""A team's parts, each a process of its own: a provider of OpenID Connect, the app, and Apache as docs/proxy has it."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from annotations.database import open_database
from annotations.people import People
from tests.browser.conftest import PATIENCE, ROOT, check_log, free_port

HERE = Path(__file__).parent
MODULES = Path("/usr/lib/apache2/modules")
APACHE = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
HAS_PROXY = APACHE is not None and (MODULES / "mod_auth_openidc.so").exists()
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "alias", "headers", "proxy", "proxy_http", "ssl",
          "socache_shmcb", "auth_openidc")  # fmt: skip
ADA, BOB, EVE = "ada@clinic.org", "bob@clinic.org", "eve@elsewhere.org"
TRUSTING = ssl._create_unverified_context()  # the certificate is made on the spot


@dataclass(frozen=True)
class Site:
    """Where a team's browsers go, the app behind it, the provider, and the file that moves the app's clock."""

    way: str
    address: str
    app: str
    provider: str
    clock: Path

    def move(self, seconds: float) -> None:
        beside = self.clock.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.replace(self.clock)


@contextmanager
def site(folder: Path, way: str) -> Iterator[Site]:
    """Everything for `oidc` or `proxy`; Ada is admin, Bob annotator, and Eve nobody yet."""
    people = People(open_database(f"sqlite:///{folder / 'rhoscope.db'}"))
    people.add(ADA, "admin")
    people.add(BOB, "annotator", by=ADA)
    port = free_port()
    direct = f"http://127.0.0.1:{port}"
    with ExitStack() as parts:
        metadata = parts.enter_context(provider(folder))
        if way == "oidc":
            clock = parts.enter_context(app(folder, port, "", secrets(folder, metadata, port)))
            yield Site(way, direct, direct, metadata, clock)
        else:
            clock = parts.enter_context(app(folder, port, "header:X-Rhoscope-User"))
            yield Site(way, parts.enter_context(proxy(folder, port, metadata)), direct, metadata, clock)
    check_log(folder / "app.log")


@contextmanager
def running(command: list[str], log: Path, address: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers at an address, ended at the end."""
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=out)
    try:
        _wait(address, process, log)
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, context=TRUSTING).close()
            return
        except urllib.error.HTTPError:
            return  # it answers, if only to refuse
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing answers at {address}: {log.read_text()}")


@contextmanager
def provider(folder: Path) -> Iterator[str]:
    """A provider that knows three people, and one who only says to be Ada; yields where its metadata are."""
    port = free_port()
    found = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    claims = [{"sub": name, "email": name, "email_verified": True} for name in (ADA, BOB, EVE)]
    claims.append({"sub": "unverified", "email": ADA, "email_verified": False})
    users = [part for one in claims for part in ("--user-claims", json.dumps(one))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *users]
    with running(command, folder / "provider.log", found):
        yield found


@contextmanager
def app(folder: Path, port: int, way: str, *flags: str) -> Iterator[Path]:
    """The app with its workspace in a folder; yields the file that moves its clock."""
    clock = folder / "clock"
    clock.write_text("0")
    command = [sys.executable, str(HERE / "serve_team.py"), str(port), str(clock), *flags]
    own = {"RHOSCOPE_HOME": str(folder), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RHOSCOPE_SIGN_IN": way}
    with running(command, folder / "app.log", f"http://127.0.0.1:{port}/_stcore/health", **own):
        yield clock


def secrets(folder: Path, metadata: str, port: int) -> str:
    """The flag that names Streamlit's secrets, written for this provider."""
    file = folder / "secrets.toml"
    file.write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{os.urandom(24).hex()}"\n'
        f'client_id = "rhoscope"\nclient_secret = "secret"\nserver_metadata_url = "{metadata}"\n'
    )
    return f"--secrets.files={file}"


@contextmanager
def proxy(folder: Path, app_port: int, metadata: str) -> Iterator[str]:
    """Apache with docs/proxy/apache.conf in front of the app; yields its address."""
    port = free_port()
    certificate, key = _certificate(folder)
    values = {
        "SITE": f"127.0.0.1:{port}", "HTTPS_PORT": str(port), "CERTIFICATE": str(certificate), "KEY": str(key),
        "APP": f"127.0.0.1:{app_port}", "PROVIDER": metadata, "CLIENT": "rhoscope", "SECRET": "secret",
        "PASSPHRASE": os.urandom(24).hex(),
    }  # fmt: skip
    documented = (ROOT / "docs" / "proxy" / "apache.conf").read_text()
    site = re.sub(r"^Define (\w+) .*$", lambda line: f"Define {line[1]} {values[line[1]]}", documented, flags=re.M)
    (folder / "site.conf").write_text(site)
    lines = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED]
    lines += [f"Listen 127.0.0.1:{port}", f"PidFile {folder}/pid", "ErrorLog /dev/stderr", "LogLevel warn"]
    lines += [f"DefaultRuntimeDir {folder}", "Mutex posixsem", "ServerName 127.0.0.1", f"Include {folder}/site.conf"]
    if os.geteuid() == 0:
        lines += ["User www-data", "Group www-data"]
    (folder / "apache.conf").write_text("\n".join(lines) + "\n")
    command = [str(APACHE), "-f", str(folder / "apache.conf"), "-DFOREGROUND"]
    with running(command, folder / "apache.log", f"https://127.0.0.1:{port}/_stcore/health"):
        yield f"https://127.0.0.1:{port}"


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "certificate.pem", folder / "key.pem"
