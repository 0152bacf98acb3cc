"""One HTTP transfer into a partial file, resumed where an earlier one was cut off."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from ..errors import WeightsError

Progress = Callable[[int, int | None], None]

_BLOCK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class CutOffError(Exception):
    """The connection ended early; what has arrived is kept and the transfer can go on."""


@dataclass(frozen=True, slots=True)
class Partial:
    """A file on its way: its bytes so far, and beside them what version of the file they are of."""

    path: Path

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def noted(self, url: str) -> tuple[str | None, int | None]:
        """Return the ETag or date, and the full length, of what these bytes of that address are part of."""
        try:
            noted = cast(object, json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None, None
        match noted:
            case {"url": str() as of, "validator": str() | None as validator, "total": int() | None as total}:
                return (validator, total) if of == url else (None, None)
            case _:
                return None, None

    def begin(self, url: str, validator: str | None, total: int | None) -> None:
        """Forget the bytes so far and note what the next ones are of."""
        self.path.write_bytes(b"")
        note = {"url": url, "validator": validator, "total": total}
        self.note.write_text(json.dumps(note), encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def check_address(url: str) -> None:
    """Refuse anything but https, and http to this very machine; WeightsError says so."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise WeightsError(
        f"{url} is not fetched: only https is safe from being altered on its way.",
        "Use an https address, or give a file you have with --weights FILE.",
    )


def transfer(url: str, partial: Partial, *, size: int | None, progress: Progress | None) -> None:
    """Fetch what is missing of a file, starting over where the server's file is not the one begun.

    Args:
        url: https, or http on a loopback address.
        partial: Where the bytes go; complete when this returns.
        size: Of the whole file in bytes, None if the publisher states none.
        progress: Called with (bytes there, bytes in all or None).

    Raises:
        CutOffError: The connection was lost or timed out, or the server was busy; try again.
        WeightsError: The address is unsafe, or the server's file has another size.
        urllib.error.URLError: The server cannot be reached or refuses (HTTPError).
        OSError: The file cannot be written.
    """
    check_address(url)
    start = partial.size()
    validator, total = partial.noted(url) if start else (None, None)
    if total is not None and start == total:
        return  # complete, but its process ended before it could be checked and renamed
    headers = {"Accept-Encoding": "identity", "User-Agent": "reel"}
    if validator:
        headers.update({"Range": f"bytes={start}-", "If-Range": validator})
    try:
        with _open(url, headers) as response:
            _receive(response, url, partial, size=size, progress=progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # all there already, or a shorter file: only a fresh start can tell
            partial.discard()
            raise CutOffError("the server has no bytes after those that are here") from error
        if error.code in (408, 425, 429) or error.code >= 500:
            raise CutOffError(f"the server answered {error.code} {error.reason}") from error
        raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError | BrokenPipeError):
            raise CutOffError(f"the server did not answer ({error.reason})") from error
        raise
    except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise CutOffError(f"the connection was lost ({type(error).__name__})") from error


def _receive(
    response: http.client.HTTPResponse,
    url: str,
    partial: Partial,
    *,
    size: int | None,
    progress: Progress | None,
) -> None:
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    if encoded or response.headers.get_content_type() == "text/html":
        # A login page of the network in between must not become the file that is recorded.
        raise WeightsError(
            f"{url} answers with {'compressed data' if encoded else 'a web page'} instead of the file.",
            "Fetch the file another way and give it with --weights FILE.",
        )
    start, total = _start_and_total(response, partial)
    if size is not None and total not in (None, size):
        partial.discard()
        raise WeightsError(
            f"{url} has {total} bytes instead of {size}: it is not the file it should be.",
            "Fetch the file from its publisher and give it with --weights FILE, or use --rehearsal.",
        )
    if start == 0:
        partial.begin(url, _validator(response), total)
    here, total = start, total if total is not None else size
    with partial.path.open("ab") as file:
        while block := response.read(_BLOCK):
            file.write(block)
            here += len(block)
            if progress:
                progress(here, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and here < total:
        raise CutOffError(f"the connection ended after {here} of {total} bytes")
    if total is not None and here > total:
        partial.discard()
        raise CutOffError(f"the server sent {here} bytes of a file of {total}")


def _start_and_total(response: http.client.HTTPResponse, partial: Partial) -> tuple[int, int | None]:
    """Return where in the file the answer begins, and how long the file is."""
    if response.status == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != partial.size():
            partial.discard()
            raise CutOffError("the server sent another part than the one asked for")
        return int(match[1]), int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _validator(response: http.client.HTTPResponse) -> str | None:
    """Return what names this version of the file in If-Range; a weak ETag may not stand there."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to safe addresses only, and never from https down to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
                raise WeightsError(
                    f"{req.full_url} leads on to {newurl}, which is not safe from being altered on its way.",
                    "Fetch the file another way and give it with --weights FILE.",
                )
            check_address(newurl)
        except WeightsError:
            fp.close()  # urllib closes the answer only where it follows it
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    handlers: list[Any] = [_SafeRedirects()]
    if _is_loopback(urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy reaches this machine's own loopback
    opener = urllib.request.build_opener(*handlers)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
