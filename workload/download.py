"""Files from a publisher: resumed where they broke off, checked, or explained."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from workload.errors import ConfigError
from workload.progress import StageProgress

BLOCK = 1 << 18  # bytes
PATIENCE = 30  # seconds without an answer


def download(url: str, path: Path, progress: StageProgress) -> None:
    """Fetch a file. What has come already lies in `path` + `.partial` and is kept on failure.

    Raises:
        ConfigError: naming URL, reason, and how to give a file got in another way.
    """
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(url, partial, progress)
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        raise ConfigError(_sentence(url, partial, _reason(error))) from error
    partial.replace(path)


def refuse(url: str, path: Path, found: str) -> ConfigError:
    """Set a downloaded file aside as partial, and say what is wrong with it."""
    partial = path.with_name(f"{path.name}.partial")
    path.replace(partial)
    return ConfigError(_sentence(url, partial, found))


def _fetch(url: str, partial: Path, progress: StageProgress) -> None:
    done = partial.stat().st_size if partial.exists() else 0
    try:
        answer = _open(url, done)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        # All bytes are there, and still it was not accepted: from the start.
        done, answer = 0, _open(url, 0)
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            done = 0  # a server that does not resume sends everything
        total = done + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if done else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                progress(f"download {partial.stem}", done, max(total, done))
    if done < total:
        raise OSError(f"the connection ended after {done:,} of {total:,} bytes")


def _open(url: str, done: int) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "wdbench"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    return urllib.request.urlopen(request, timeout=PATIENCE)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _sentence(url: str, partial: Path, reason: str) -> str:
    kept = f"; what came is kept in {partial}" if partial.exists() else ""
    return (
        f"cannot download {url}: {reason}{kept}; run again to resume, or get the file in another "
        "way and give it with --archive FILE"
    )
