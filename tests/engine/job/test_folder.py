"""A job: kept when something goes wrong, gone when nothing does, and believed only as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import pytest
from reel.engine.job.card import Card
from reel.engine.job.files import digest_of, size_of
from reel.engine.job.folder import Job, job_folder
from reel.engine.job.identity import Fact, Identity
from reel.engine.job.restart import Mark, Restart
from reel.errors import JobError

RESTART = Restart(
    Fraction(3, 7), Fraction(0), (Mark(Fraction(1, 7), 1, True, False, 2**32 - 1),), (Fraction(2, 7),)
)


class BrokenOffError(Exception):
    """Whatever ends a run."""


@contextmanager
def breaking_off(job: Job) -> Iterator[Job]:
    """A run that ends with an error."""
    with suppress(BrokenOffError), job:
        yield job
        raise BrokenOffError


def identity(crf: str = "16", film: str = "abc") -> Callable[[], Identity]:
    return lambda: Identity((Fact("film.mp4", film, opaque=True), Fact("--crf", crf), Fact("--preset", "")))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "film.mp4"


def job(place: Path, who=None, **options) -> Job:
    return Job(job_folder(place), who or identity(), result=place, **options)


def segment(job: Job, number: int, *, frames: int = 5) -> Card:
    part = job.part(number)
    part.write_bytes(b"packets" * number)
    return Card(
        number=number,
        before=frames * (number - 1),
        frames=frames,
        since=Fraction(number - 1),
        until=Fraction(number),
        size=size_of(part),
        sha256=digest_of(part),
        restart=RESTART,
        last=False,
    )


@pytest.fixture
def broken_off(place: Path) -> Path:
    """The folder of a run that ended after two segments."""
    with breaking_off(job(place)) as begun:
        for number in (1, 2):
            begun.keep(segment(begun, number))
        begun.part(3).write_bytes(b"half a segm")
    return job_folder(place)


def test_what_is_finished_is_there_for_the_next_run(place: Path, broken_off: Path) -> None:
    with breaking_off(job(place)) as again:
        assert [card.number for card in again.cards] == [1, 2]
        assert again.cards[1].restart == RESTART
        assert again.cards[1].until == 2
        assert again.size == 21
        again.keep(segment(again, 3))
    with job(place) as again:
        assert len(again.cards) == 3
    assert not broken_off.exists()


def test_a_job_that_holds_nothing_of_worth_is_not_kept(place: Path) -> None:
    with breaking_off(job(place)) as begun:
        begun.part(1).write_bytes(b"half a segm")
    assert list(place.parent.iterdir()) == []


def test_a_job_without_an_identity_is_never_kept(place: Path) -> None:
    with breaking_off(Job(job_folder(place), result=place)) as begun:
        begun.keep(segment(begun, 1))
    assert list(place.parent.iterdir()) == []


def test_what_is_left_of_a_killed_run_is_cleared_up(place: Path, broken_off: Path) -> None:
    (broken_off / "000003.segment").write_bytes(b"renamed, but not written down")
    (broken_off / "000002.journal").write_bytes(b"of a segment that is finished")
    (broken_off / "000004.json.new").write_bytes(b"{")
    with job(place) as again:
        assert sorted(path.name for path in again.folder.iterdir()) == [
            "000001.json",
            "000001.segment",
            "000002.json",
            "000002.segment",
            "000003.part",
            "lock",
            "manifest.json",
        ]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (identity(crf="18"), "--crf was 16 and is 18"),
        (identity(film="abd"), "film.mp4 has changed"),
        (lambda: Identity(identity()().facts[:2]), "--preset was not given and is not given"),
        (lambda: Identity((*identity()().facts, Fact("--fps", "50"))), "--fps was not given and is 50"),
    ],
)
def test_what_differs_is_named_and_nothing_is_lost(place: Path, broken_off: Path, now, words: str) -> None:
    for _ in range(2):
        with pytest.raises(JobError, match="begun otherwise") as caught:
            job(place, now).__enter__()
        assert words in caught.value.message
        assert "--fresh" in caught.value.remedy
    with job(place) as again:
        assert len(again.cards) == 2


def test_fresh_starts_over(place: Path, broken_off: Path) -> None:
    with breaking_off(job(place, identity(crf="18"), fresh=True)) as new:
        assert new.cards == []
        new.keep(segment(new, 1))
    with job(place, identity(crf="18")) as again:
        assert len(again.cards) == 1


def edited(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("manifest.json", lambda path: path.write_text("{}")),
        ("manifest.json", lambda path: path.write_text("[" * 100_000)),
        ("manifest.json", lambda path: path.write_bytes(b"\xff\x00")),
        ("manifest.json", lambda path: path.unlink()),
        ("manifest.json", lambda path: edited(path, lambda content: content["facts"].pop())),
        ("000001.json", lambda path: edited(path, lambda content: content.update(frames=6))),
        ("000002.json", lambda path: edited(path, lambda content: content.update(sha256="0" * 64))),
        ("000002.json", lambda path: path.write_bytes(path.with_name("000001.json").read_bytes())),
        ("000001.json", lambda path: path.write_text("")),
        ("000001.segment", lambda path: path.write_bytes(b"pockets")),
        ("000002.segment", lambda path: path.unlink()),
    ],
)
def test_what_was_damaged_or_edited_is_refused_by_name(place: Path, broken_off: Path, name, damage) -> None:
    damage(broken_off / name)
    with pytest.raises(JobError, match="was damaged or edited") as caught:
        job(place).__enter__()
    assert name in caught.value.message
    assert "--fresh" in caught.value.remedy
    assert (broken_off / "000001.segment").exists()
    with job(place, fresh=True) as new:
        assert new.cards == []


def test_a_card_of_another_job_is_refused(place: Path, broken_off: Path, tmp_path: Path) -> None:
    with breaking_off(job(tmp_path / "other.mp4", identity(crf="18"))) as other:
        for number in (1, 2):
            other.keep(segment(other, number))
    (broken_off / "000002.json").write_bytes((other.folder / "000002.json").read_bytes())
    with pytest.raises(JobError, match=r"000002\.json"):
        job(place).__enter__()


def test_segments_that_are_removed_as_advised_are_made_again(place: Path, broken_off: Path) -> None:
    (broken_off / "000001.segment").write_bytes(b"pockets")
    with pytest.raises(JobError) as caught:
        job(place).__enter__()
    assert "Remove 000001.*" in caught.value.remedy
    for path in broken_off.glob("000001.*"):
        path.unlink()
    with job(place) as again:
        assert again.cards == []
        assert [path.name for path in again.folder.glob("0*")] == []


def test_a_segment_that_changes_while_the_run_goes_on_is_noticed(place: Path) -> None:
    with breaking_off(job(place)) as begun:
        begun.keep(segment(begun, 1))
        begun.check()
        begun.segment(1).write_bytes(b"pockets")
        with pytest.raises(JobError, match=r"000001\.segment"):
            begun.check()


def test_a_job_of_somebody_else_is_not_entered(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    job_folder(place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JobError, match="not a folder of yours"):
        job(place).__enter__()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_nobody_else_may_look_into_a_job(place: Path) -> None:
    with job(place) as begun:
        assert begun.folder.stat().st_mode & 0o077 == 0


def test_a_removal_that_was_cut_short_is_finished(place: Path, broken_off: Path) -> None:
    broken_off.rename(broken_off.with_name(f"{broken_off.name}.over"))
    with job(place) as new:
        assert new.cards == []
    assert list(place.parent.iterdir()) == []


def test_two_runs_do_not_share_a_job(place: Path) -> None:
    with job(place) as first:
        first.keep(segment(first, 1))
        with pytest.raises(JobError, match="Another run"):
            job(place).__enter__()
        assert first.segment(1).exists()


def test_a_result_that_is_in_its_place_leaves_nothing_to_go_on_with(place: Path) -> None:
    with breaking_off(job(place)) as begun:
        begun.keep(segment(begun, 1))
        whole = begun.folder / "joined.mp4"
        whole.write_bytes(b"film")
        begun.begin_placing(whole)
        whole.rename(place)
    again = job(place)
    assert again.placing
    with breaking_off(again):
        assert again.is_placed()
    with job(place, identity(crf="18")) as other:
        assert other.cards == []
        assert not other.is_placed()


@pytest.mark.parametrize("name", ["film.mp4", "ü" * 120 + ".mp4", "n" * 255, "a\nb", "-x.mp4"])
def test_the_folder_is_named_after_the_result_as_far_as_names_go(tmp_path: Path, name: str) -> None:
    for folder in (job_folder(tmp_path / name), job_folder(tmp_path / name, tmp_path)):
        folder.mkdir()
        assert folder.parent == tmp_path
    assert job_folder(Path("/a/film.mp4"), tmp_path) != job_folder(Path("/b/film.mp4"), tmp_path)


def test_what_may_differ_is_remembered_as_it_was(place: Path) -> None:
    def with_memory(size: str) -> Callable[[], Identity]:
        return lambda: Identity((*identity()().facts, Fact("the memory", size, free=True)))

    with breaking_off(job(place, with_memory("8"))) as begun:
        begun.keep(segment(begun, 1))
    with job(place, with_memory("4")) as again:
        assert len(again.cards) == 1
        assert again.begun is not None
        assert again.begun.value("the memory") == "8"
