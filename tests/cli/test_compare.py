"""Films of before and after, by --compare."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.cli.maps import joined
from reel.engine.pixels.resample import lanczos
from reel.engine.writing.inputs import films_in


def look(path: Path):
    """Return the times, pictures and packets of sound of a film."""
    with av.open(f"file:{path}") as film:
        seen = [
            (frame.pts * frame.time_base, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)
        ]
    with av.open(f"file:{path}") as film:
        packets = film.demux(film.streams.audio[0]) if film.streams.audio else ()
        sound = [(packet.pts, bytes(packet)) for packet in packets if packet.size]
    return [time for time, _ in seen], [picture for _, picture in seen], sound


def enlarged(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    planes = picture.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    return 255 * lanczos(planes, height, width)[0].transpose(1, 2, 0)


@pytest.fixture
def film(make_film, pictures) -> Path:
    return make_film("film.mp4", pictures(8), rate=Fraction(30000, 1001), sound=0.27)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("part", [[], ["--start", "0.05", "--end", "0.2"]])
def test_side_by_side_has_the_times_and_the_sound_of_the_result(
    reel_run, film, tmp_path, suffix: str, part: list[str]
) -> None:
    place = tmp_path / f"out{suffix}"
    words = ["--order", "dain", "edvr-m", "--crf", "1", "--pix-fmt", "yuv444p"]
    outcome = reel_run(film, "-o", place, "--compare", *part, *words)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{place}\n"
    beside = tmp_path / f"out.compare{suffix}"
    assert f"before and after: {beside}" in outcome.err
    times, made, sound = look(place)
    compared_times, compared, compared_sound = look(beside)
    assert compared_times == times
    assert compared_sound == sound
    assert len(sound) > 4
    first = 2 if part else 0  # the first frame at 0.05 seconds or later
    originals = look(film)[1][first:]
    for number, (picture, after) in enumerate(zip(compared, made, strict=True)):
        assert picture.shape == (192, 512, 3)
        before = enlarged(originals[number // 2], 192, 256)
        assert np.abs(picture[40:, :256] - before[40:]).mean() < 3  # below the words
        assert np.abs(picture[40:, 256:].astype(int) - after[40:]).mean() < 3
        others = [enlarged(other, 192, 256) for other in originals if other is not originals[number // 2]]
        assert min(np.abs(picture[40:, :256] - other[40:]).mean() for other in others) > 10
    assert sorted(tmp_path.iterdir()) == sorted([film, place, beside])


def test_a_wipe_goes_from_before_to_after(reel_run, make_film, pictures, tmp_path) -> None:
    film = make_film("slow.mkv", pictures(8), rate=Fraction(1))
    # Coloured, so that before and after differ.
    assert reel_run(film, "--order", "deoldify", "--render-factor", "2", "--compare", "wipe").code == 0
    _, shown, _ = look(tmp_path / "slow.restored.compare.mkv")
    red = [picture[24:, :, 0].astype(int) - picture[24:, :, 2] for picture in shown]
    assert [picture.shape for picture in shown] == [(48, 64, 3)] * 8
    assert abs(red[0].mean()) < 8
    assert red[4].mean() > 40
    assert abs(red[2][:, :29].mean()) < 8
    assert red[2][:, 35:].mean() > 40


def test_a_photo_gives_one_picture(reel_run, write_pictures, read_pictures, pictures, tmp_path) -> None:
    write_pictures(tmp_path / "photos", pictures(1))
    photo = tmp_path / "photos" / "000001.png"
    place = tmp_path / "out" / "photo.png"
    assert reel_run(photo, "--order", "edvr-m", "--compare", "-o", place).code == 0
    assert sorted(file.name for file in place.parent.iterdir()) == ["photo.compare.png", "photo.png"]
    compared, made = read_pictures(place.parent)
    assert compared.shape == (192, 512, 3)
    assert np.array_equal(compared[40:, 256:], made[40:])


def test_a_folder_of_pictures_gives_a_folder_of_pictures(
    reel_run, write_pictures, read_pictures, pictures, tmp_path
) -> None:
    write_pictures(tmp_path / "scans", pictures(3))
    outcome = reel_run(tmp_path / "scans", "--order", "dain", "--compare", "wipe")
    assert outcome.code == 0, outcome.err
    made = read_pictures(tmp_path / "scans.restored")
    compared = read_pictures(tmp_path / "scans.restored.compare")
    assert len(compared) == len(made) == 6
    # In so short a film the split goes across and comes back once.
    assert np.array_equal(compared[0][24:], pictures(3)[0][24:])
    assert np.array_equal(compared[3][24:], made[3][24:])
    assert not np.array_equal(made[3][24:], pictures(3)[1][24:])


def test_a_rehearsal_says_so_in_the_picture_and_in_the_file(
    reel_run, film, tmp_path, rehearsal_store, pictures
) -> None:
    words = ["--compare", "--order", "edvr-m"]
    assert reel_run(film, *words, store=rehearsal_store).code == 0
    with av.open(str(tmp_path / "film.restored.compare.mp4")) as compared:
        assert "rehearsal: random weights" in compared.metadata["comment"]


def test_a_comparison_that_is_there_stops_the_run_before_it_begins(failure, film, tmp_path) -> None:
    place = tmp_path / "film.restored.compare.mp4"
    place.write_bytes(b"kept")
    what, remedy = failure("reel-run", film, "--order", "--compare")
    assert what == f"{place} is there already."
    assert "--overwrite" in remedy
    assert place.read_bytes() == b"kept"
    assert not (tmp_path / "film.restored.mp4").exists()


def test_pictures_of_a_film_of_variable_rate_are_not_compared(failure, make_film, pictures, tmp_path) -> None:
    film = make_film("film.mkv", pictures(4), rate=Fraction(25), codec="ffv1")
    uneven = tmp_path / "uneven.mkv"
    with av.open(str(film)) as source, av.open(str(uneven), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts = packet.dts = packet.pts + 17 * (packet.pts // 40) ** 2
                packet.stream = stream
                target.mux(packet)
    what, _ = failure("reel-run", uneven, "-o", f"{tmp_path}/pictures/", "--order", "--compare")
    assert "variable frame rate have no times" in what
    assert not (tmp_path / "pictures").exists()


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_comparison_that_is_stopped_leaves_the_result_and_is_all_that_is_left_to_do(
    reel_run, film, tmp_path, monkeypatch, overwrite: list[str]
) -> None:
    import reel.engine.runs.compare as module
    from reel.engine.job.segments import Division

    def stop(seconds: float, period: float) -> float:
        if seconds > 0.2:  # when some of it is finished
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr("reel.engine.writing.sink.division_for", lambda film: Division(1, 2))
    words = [film, "--order", "dain", "--compare", "wipe"]
    with monkeypatch.context() as patched:
        patched.setattr(module, "_split", stop)
        outcome = reel_run(*words, *overwrite)
    assert outcome.code == 130
    place, beside = tmp_path / "film.restored.mp4", tmp_path / "film.restored.compare.mp4"
    again = "the same command without --overwrite" if overwrite else "the same command again"
    assert f"Stopped. {place} is whole; run {again} for its comparison." in outcome.err
    assert sorted(tmp_path.iterdir()) == sorted([film, place])
    made = place.stat()
    outcome = reel_run(*words)
    assert outcome.code == 0, outcome.err
    assert "is there already; what is missing is its comparison" in outcome.err
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    assert look(beside)[0] == look(place)[0]


def test_a_result_is_not_compared_while_unfinished_work_speaks_of_another(
    reel_run, failure, film, tmp_path
) -> None:
    assert reel_run(film, "--order", "dain").code == 0
    (tmp_path / ".film.restored.mp4.reel-job").mkdir()
    what, _ = failure("reel-run", film, "--order", "dain", "--compare")
    assert what == f"{tmp_path / 'film.restored.mp4'} is there already."
    assert not (tmp_path / "film.restored.compare.mp4").exists()


def test_a_result_of_other_options_is_not_compared(reel_run, failure, film, tmp_path) -> None:
    assert reel_run(film, "--order", "dain").code == 0
    for order in (["edvr-m"], [], ["dain", "--times", "4"]):
        what, remedy = failure("reel-run", film, "--compare", "--order", *order)
        assert "is not what these options make of" in what
        assert "--overwrite" in remedy
    assert sorted(tmp_path.iterdir()) == sorted([film, tmp_path / "film.restored.mp4"])


def test_a_run_that_was_broken_off_and_goes_on_has_the_same_comparison(
    reel_run, film, tmp_path, monkeypatch, stopped_after
) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0)  # each frame is kept
    words = ["--order", "dain", "--compare"]
    assert reel_run(film, *words, "-o", tmp_path / "whole.mp4").code == 0
    with stopped_after(6):
        assert reel_run(film, *words).code == 130
    outcome = reel_run(film, *words)
    assert "after 6 made before" in outcome.err
    whole, parts = (tmp_path / f"{name}.compare.mp4" for name in ("whole", "film.restored"))
    assert look(whole)[0] == look(parts)[0]
    assert all(np.array_equal(a, b) for a, b in zip(look(whole)[1], look(parts)[1], strict=True))


def test_a_batch_compares_each_film_and_takes_no_comparison_for_a_film(
    reel_run, make_film, pictures, tmp_path
) -> None:
    folder = tmp_path / "films"
    films = [make_film(f"films/{name}.mp4", pictures(3)) for name in ("a", "b")]
    assert reel_run(folder, "--order", "--compare").code == 0
    assert films_in(folder) == films
    (folder / "b.restored.compare.mp4").unlink()
    outcome = reel_run(folder, "--order", "--compare")
    assert "1 restored, 1 there already" in outcome.err
    assert (folder / "b.restored.compare.mp4").exists()


def test_what_follows_an_option_is_its_value_only_if_it_can_be() -> None:
    assert joined(["--compare", "film.mp4", "--report", "b.mp4"]) == [
        "--compare=side",
        "film.mp4",
        "--report=",
        "b.mp4",
    ]
    assert joined(["--compare", "wipe", "--report", "b.HTML"]) == ["--compare=wipe", "--report=b.HTML"]
    assert joined(["--report", "--compare"]) == ["--report=", "--compare=side"]
    assert joined(["--map", "-s", "--", "--compare"]) == ["--map=-s", "--", "--compare"]
