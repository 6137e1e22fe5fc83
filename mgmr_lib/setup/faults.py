"""What a failed installation means: one sentence with the fix, from what the installer said and what the machine shows.

The patterns are those of pip and uv and of the system's own messages; the order matters, because a full disk or a dead
network also makes later complaints, such as "no matching distribution".
"""

import datetime
import os
import re
import shutil
import tempfile
from pathlib import Path

AGAIN = "then run the same command again"
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "PIP_PROXY")
TABLE = (  # (what the output holds, what it means)
    (r"No space left on device|\[?Errno 28\b|os error 28\b|Errno 122\b|os error 122\b|[Qq]uota exceeded|not enough "
     r"space on the disk", "disk"),
    (r"WinError (5|32)\b|Access is denied|os error (5|32)\).*[Ww]indows|being used by another process", "in use"),
    (r"ProxyError|[Pp]roxy.{0,40}(refused|authentication|error|fail)|Tunnel connection failed|407 Proxy|[Tt]unnel "
     r"error|unsuccessful tunnel", "proxy"),
    (r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|invalid peer certificate|certificate (verify failed|has "
     r"expired)", "certificate"),
    (r"NewConnectionError|NameResolutionError|Name or service not known|name resolution|getaddrinfo|nodename nor "
     r"servname|dns error|Connection (refused|reset)|Network is unreachable|No route to host|ConnectTimeout|Read timed "
     r"out|ReadTimeout|timed out|error sending request|client error \(Connect\)|IncompleteRead|ProtocolError|Failed to "
     r"fetch|peer closed connection|from versions: none|HTTP(Error|s?\s+error|\s+status).{0,30}\b5\d\d\b", "network"),
    (r"BadZipFile|Wheel .* is invalid|DO NOT MATCH THE HASHES|[Hh]ash mismatch|has an invalid wheel|is not a "
     r"(zip|valid wheel)|Invalid wheel|bad CRC|Bad magic number|[Ff]ailed to (deserialize|unzip)|corrupt|invalid "
     r"distance", "damaged"),
    (r"Read-only file system|Permission denied|Errno (13|30)\b|os error "
     r"(13|30)\b|EnvironmentError.*denied", "not writable"),
    (r"ResolutionImpossible|conflicting dependencies|No matching distribution|No solution found|requires a different "
     r"Python", "pins"),
    (r"MemoryError|out of memory|Cannot allocate memory", "memory"),
)  # fmt: skip


def kind_of(output: str, returncode: int = 1) -> str:
    """The kind of a failure: one of TABLE's, or "unknown"."""
    if returncode in (-9, 137):  # the kernel's way of saying that memory is over
        return "memory"
    return next((kind for pattern, kind in TABLE if re.search(pattern, output)), "unknown")


def sentence(kind: str, folder: Path) -> str:
    """What to tell: folder is .venv."""
    return {
        "disk": _disk(folder),
        "in use": in_use(folder),
        "proxy": f"the proxy {_proxy()} does not let the download through: correct or unset that setting, {AGAIN}",
        "certificate": f"the server's certificate is not accepted; this computer's clock says {_today()}: set the "
        f"clock if that is wrong, or point PIP_CERT and SSL_CERT_FILE at your network's certificate file, {AGAIN}",
        "network": f"the packages could not be downloaded: check the network {_way_out()}, {AGAIN}",
        "damaged": f"a downloaded package is damaged: empty the cache with `{_cache_command(folder)}`, {AGAIN}",
        "not writable": f"{folder} or the cache folder cannot be written to: make it yours, or put a copy of the "
        f"course into a folder of yours, {AGAIN}",
        "pins": "the pinned versions do not fit together on this computer: get a fresh copy of constraints.txt and "
        f"pyproject.toml (`git status` shows whether they were edited), {AGAIN}",
        "memory": f"the memory was not enough to install: close other programs, {AGAIN}",
        "unknown": f"the installation failed (the lines above say why): mend that, {AGAIN}",
    }[kind]


def in_use(folder: Path) -> str:
    """A file that somebody holds open: on Windows JupyterLab and each notebook hold torch's."""
    return f"{folder} is in use: stop JupyterLab (File > Shut Down) and everything else that runs the course, {AGAIN}"


def no_room(folder: Path, free_mb: float, needed_mb: float) -> str:
    """A disk that is too small, known before the download."""
    return (
        f"{needed_mb / 1000:.1f} GB are needed at {folder} and {free_mb / 1000:.1f} GB are free: make room or put the "
        f"course on another disk, {AGAIN}"
    )


def _disk(folder: Path) -> str:
    places = [folder.parent, Path(tempfile.gettempdir())]
    fullest = min(places, key=lambda place: shutil.disk_usage(place).free)
    where = "" if fullest == folder.parent else " (TMPDIR names another folder for temporary files)"
    free = shutil.disk_usage(fullest).free / 1e6
    return f"the disk is full: {free:.0f} MB are free at {fullest}: make room there{where}, {AGAIN}"


def _proxy_name() -> str | None:
    return next((name for name in PROXIES if os.environ.get(name)), None)


def _way_out() -> str:
    return f"and the proxy {_proxy()}" if _proxy_name() else "(a proxy goes into HTTPS_PROXY)"


def _proxy() -> str:
    """The proxy as it is set, without the password that it may hold."""
    name = _proxy_name()
    if name is None:
        return "of pip's or the system's settings"
    return f"{name}={re.sub(r'//[^/@]*@', '//...@', os.environ[name])}"


def _cache_command(folder: Path) -> str:
    if shutil.which("uv"):
        return "uv cache clean"
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    return f"{scripts / 'python'} -m pip cache purge"


def _today() -> str:
    return datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
