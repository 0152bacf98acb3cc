"""Downloads: complete and checked, resumed where cut off, never a file that changed unseen."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export import download, transfer
from reel.export.download import fetch
from reel.export.exporter import official_weights
from reel.models.dain_depth import DAIN_DEPTH
from reel.models.spec import WeightFolder, WeightSource
from reel.models.store import Store

BODY = np.random.default_rng(1).bytes(300_000)


@dataclass
class Publisher:
    """What the server does, and what it was asked."""

    body: bytes = BODY
    etag: str | None = '"one"'
    ranges: bool = True
    lengths: bool = True
    content_type: str = "application/octet-stream"
    cuts: list[int] = field(default_factory=list)  # bytes after which each next answer breaks off
    statuses: list[int] = field(default_factory=list)  # answered before anything else
    redirect: str | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range
    url: str = ""

    def source(self, **known: Any) -> WeightSource:
        return WeightSource(f"{self.url}/models/net.pdparams", **known)


class Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server calls it by
        pass

    def do_GET(self) -> None:
        publisher = self.publisher
        publisher.asked.append((self.path, self.headers.get("Range")))
        if publisher.redirect:
            self.send_response(302)
            self.send_header("Location", publisher.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if publisher.statuses:
            self.send_error(publisher.statuses.pop(0))
            return
        start, whole = 0, publisher.body
        wanted = self.headers.get("Range")
        if wanted and publisher.ranges and self.headers.get("If-Range") == publisher.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(whole):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if publisher.etag:
            self.send_header("ETag", publisher.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        if publisher.lengths:
            self.send_header("Content-Length", str(len(whole) - start))
        self.send_header("Content-Type", publisher.content_type)
        self.end_headers()
        end = start + publisher.cuts.pop(0) if publisher.cuts else len(whole)
        self.wfile.write(whole[start:end])


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr(download, "_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.delenv("REEL_MIRROR", raising=False)
    publisher = Publisher()
    handler = type("BoundHandler", (Handler,), {"publisher": publisher})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = False  # so that closing the server waits for its answers to end
        publisher.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield publisher
        server.shutdown()
        thread.join()


def refusal(source: WeightSource, folder: Path) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        fetch(source, folder)
    assert not (folder / "net.pdparams").exists()
    return caught.value


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_a_file_is_fetched_whole_with_its_progress_and_nothing_is_left_beside_it(
    tmp_path: Path, publisher: Publisher
) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch(publisher.source(), tmp_path / "new", progress=lambda *now: seen.append(now))
    assert path.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert left_in(tmp_path / "new") == {"net.pdparams", "hashes.json"}


def test_a_file_that_is_there_is_checked_without_the_network(tmp_path: Path, publisher: Publisher) -> None:
    fetch(publisher.source(), tmp_path)
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY
    assert len(publisher.asked) == 1


def test_a_dropped_connection_is_resumed_where_it_stopped(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts = [100_000, 50_000]
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY
    assert [asked for _, asked in publisher.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts = [1000, 1000, 1000, 1000]
    error = refusal(publisher.source(), tmp_path)
    assert "4000 of 300000" in error.message
    assert "--weights" in error.remedy
    assert "--rehearsal" in error.remedy
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY
    assert publisher.asked[-1][1] == "bytes=4000-"
    assert left_in(tmp_path) == {"net.pdparams", "hashes.json"}


def test_a_busy_server_is_asked_again(tmp_path: Path, publisher: Publisher) -> None:
    publisher.statuses = [503, 429]
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY


def test_a_server_that_ignores_ranges_sends_all_again(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts, publisher.ranges = [100_000], False
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY


def test_bytes_without_a_validator_are_not_continued(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts, publisher.etag = [100_000], None
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY
    assert [asked for _, asked in publisher.asked] == [None, None]


def test_a_file_that_changed_between_two_parts_is_fetched_anew(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts = [1000] * 4
    refusal(publisher.source(), tmp_path)
    publisher.body, publisher.etag = BODY[::-1], '"two"'
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY[::-1]


def test_a_part_of_another_address_is_not_continued(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts = [1000] * 4
    refusal(WeightSource(f"{publisher.url}/elsewhere/net.pdparams"), tmp_path)
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY
    assert publisher.asked[-1][1] is None


def test_a_part_longer_than_the_file_is_dropped(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts = [1000] * 4
    refusal(publisher.source(), tmp_path)
    (tmp_path / "net.pdparams.part").write_bytes(b"x" * 400_000)
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY  # the server answered 416 in between
    assert [asked for _, asked in publisher.asked][-2:] == ["bytes=400000-", None]


def test_a_complete_part_is_only_checked_and_renamed(tmp_path: Path, publisher: Publisher) -> None:
    publisher.cuts = [1000] * 4
    refusal(publisher.source(), tmp_path)
    (tmp_path / "net.pdparams.part").write_bytes(BODY)
    asked = len(publisher.asked)
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY
    assert len(publisher.asked) == asked


def test_an_answer_without_a_length_is_held_to_the_known_size(tmp_path: Path, publisher: Publisher) -> None:
    publisher.lengths, publisher.cuts = False, [100_000]
    assert fetch(publisher.source(size=len(BODY)), tmp_path).read_bytes() == BODY


def test_a_size_other_than_the_published_one_is_refused(tmp_path: Path, publisher: Publisher) -> None:
    assert "300000 bytes instead of 299999" in refusal(publisher.source(size=299_999), tmp_path).message


def test_a_wrong_hash_is_named_and_the_file_put_aside(tmp_path: Path, publisher: Publisher) -> None:
    wanted = hashlib.sha256(b"another").hexdigest()
    error = refusal(publisher.source(sha256=wanted), tmp_path)
    assert wanted in error.message
    assert hashlib.sha256(BODY).hexdigest() in error.message
    assert left_in(tmp_path) == {"net.pdparams.bad"}
    assert fetch(publisher.source(sha256=hashlib.sha256(BODY).hexdigest().upper()), tmp_path).exists()


def test_a_recorded_hash_is_compared_with_the_file_here_and_with_a_new_download(
    tmp_path: Path, publisher: Publisher
) -> None:
    path = fetch(publisher.source(), tmp_path)
    assert json.loads((tmp_path / "hashes.json").read_text()) == {
        "net.pdparams": hashlib.sha256(BODY).hexdigest()
    }
    path.write_bytes(BODY[:-1] + b"!")
    assert "put aside as net.pdparams.bad" in refusal(publisher.source(), tmp_path).message
    publisher.body = BODY[::-1]
    error = refusal(publisher.source(), tmp_path)
    assert "hashes.json" in error.remedy
    publisher.body = BODY
    assert fetch(publisher.source(), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"net.pdparams": 5}'])
def test_a_damaged_record_of_hashes_is_not_taken_for_an_empty_one(
    tmp_path: Path, publisher: Publisher, damaged: str
) -> None:
    (tmp_path / "hashes.json").write_text(damaged)
    assert "hashes.json" in refusal(publisher.source(), tmp_path).remedy


def test_a_missing_file_and_a_server_that_is_off_say_what_else_can_be_done(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.statuses = [404]
    missing = refusal(publisher.source(), tmp_path)
    off = refusal(WeightSource("http://127.0.0.1:9/net.pdparams"), tmp_path)
    nowhere = refusal(WeightSource("https://no-such-host.invalid/net.pdparams"), tmp_path)
    assert "404" in missing.message
    assert len(publisher.asked) == 1
    for error in (missing, off, nowhere):
        assert "--weights FILE" in error.remedy
        assert "--rehearsal" in error.remedy


def test_a_web_page_is_not_recorded_as_the_file(tmp_path: Path, publisher: Publisher) -> None:
    publisher.content_type = "text/html; charset=utf-8"
    assert "a web page" in refusal(publisher.source(), tmp_path).message
    assert left_in(tmp_path) == set()


@pytest.mark.parametrize("url", ["http://example.com/net.pdparams", "ftp://x/n", "file:///etc/passwd"])
def test_addresses_that_are_not_safe_are_refused(tmp_path: Path, publisher: Publisher, url: str) -> None:
    assert "only https" in refusal(WeightSource(url), tmp_path).message
    publisher.redirect = url
    message = refusal(publisher.source(), tmp_path).message
    assert "only https" in message or "is not allowed" in message  # urllib itself refuses file:


def test_a_mirror_replaces_the_host_and_nothing_else(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REEL_MIRROR", f"{publisher.url}/behind/")
    source = WeightSource("https://no-such-host.invalid/models/net.pdparams")
    assert fetch(source, tmp_path).read_bytes() == BODY
    assert publisher.asked[0][0] == "/behind/models/net.pdparams"


def test_a_full_disk_is_said_before_or_while_it_fills(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the disk has" in refusal(publisher.source(size=1 << 60), tmp_path).message
    assert publisher.asked == []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer.os, "fsync", full)
    error = refusal(publisher.source(), tmp_path)
    assert "disk is full" in error.message
    assert "goes on where it stopped" in error.remedy


def test_a_file_that_git_knows_by_another_name_is_refused(tmp_path: Path, publisher: Publisher) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest()
    assert fetch(publisher.source(git_blob=blob), tmp_path / "right").read_bytes() == BODY
    error = refusal(publisher.source(git_blob=blob[::-1]), tmp_path / "wrong")
    assert blob in error.message
    assert left_in(tmp_path / "wrong") == {"net.pdparams.bad"}


def test_files_that_belong_together_come_into_one_folder(tmp_path: Path, publisher: Publisher) -> None:
    files = tuple(WeightSource(f"{publisher.url}/port/{name}") for name in ("a.bin", "a.param"))
    folder = fetch(WeightFolder("port", files), tmp_path)
    assert folder == tmp_path / "port"
    assert [path for path, _ in publisher.asked] == ["/port/a.bin", "/port/a.param"]
    assert left_in(folder) >= {"a.bin", "a.param"}
    fetch(WeightFolder("port", files), tmp_path)
    assert len(publisher.asked) == 2


def test_the_next_source_is_tried_where_one_is_dead(tmp_path: Path, publisher: Publisher) -> None:
    port = tuple(WeightSource(f"{publisher.url}/port/{name}") for name in ("a.bin", "a.param"))
    sources = (publisher.source(name="best.pth"), WeightFolder("port", port))
    network = replace(DAIN_DEPTH, weights=sources)
    publisher.statuses.append(404)
    weights = official_weights(network, Store(tmp_path))
    assert weights.path == tmp_path / "weights" / "port"
    asked = len(publisher.asked)
    assert official_weights(network, Store(tmp_path)) == weights
    assert len(publisher.asked) == asked, "what is here was asked for again"
    assert official_weights(network, Store(tmp_path / "b")).path == tmp_path / "b" / "weights" / "best.pth"


def test_two_downloads_at_once_fetch_the_file_once(tmp_path: Path, publisher: Publisher) -> None:
    threads = [threading.Thread(target=fetch, args=(publisher.source(), tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "net.pdparams").read_bytes() == BODY
    assert len(publisher.asked) == 1
