"""Tracks are chosen in ffmpeg's words."""

import pytest
from reel.cli.maps import joined
from reel.engine.reading.track_choice import Track, check_choice, chosen, film_wanted
from reel.errors import InputError

TRACKS = (
    Track(0, "video", "h264", ""),
    Track(1, "audio", "aac", "eng"),
    Track(2, "audio", "ac3", "deu"),
    Track(3, "subtitle", "subrip", "eng"),
    Track(4, "video", "h264", ""),
    Track(5, "attachment", "ttf", ""),
)
ALL = {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), ALL),
        (("0",), ALL),
        (("0:a:1",), {2}),
        (("a:0", "s"), {1, 3}),
        (("0:a",), {1, 2}),
        (("0:3",), {3}),
        (("-0:s",), ALL - {3}),
        (("-s", "-a:0"), ALL - {1, 3}),
        (("0", "-a"), {0, 3, 4, 5}),
        (("a:m:language:deu",), {2}),
        (("a:0", "s:7?"), {1}),
        (("t",), {5}),
        (("-s:9",), ALL),
    ],
)
def test_words_choose_tracks(words, wanted) -> None:
    assert chosen(TRACKS, words, "film.mkv") == wanted


@pytest.mark.parametrize("word", ["a:5", "d", "0:9", "s:m:language:fra"])
def test_a_track_that_is_not_there_is_an_error_that_lists_them(word) -> None:
    with pytest.raises(InputError, match=f"film.mkv has no track {word}") as caught:
        chosen(TRACKS, [word], "film.mkv")
    assert "2 audio ac3 (deu)" in caught.value.remedy


@pytest.mark.parametrize("word", ["", "x", "1:a", "a:b", "0:", "a:0:1", "--s", "3"])
def test_what_is_no_choice_is_refused_with_examples(word) -> None:
    with pytest.raises(InputError, match="chooses no track") as caught:
        check_choice(word)
    assert "0:a:1" in caught.value.remedy


def test_one_film_of_several_can_be_asked_for() -> None:
    films = [track for track in TRACKS if track.kind == "video"]
    assert film_wanted(films, [], "film.mkv") is None
    assert film_wanted(films, ["a:1"], "film.mkv") is None
    assert film_wanted(films, ["v"], "film.mkv") is None
    assert film_wanted(films, ["0:v:1"], "film.mkv") == 4
    assert film_wanted(films, ["0:4", "0:1"], "film.mkv") == 4
    assert film_wanted(films, ["-v:0"], "film.mkv") == 4
    with pytest.raises(InputError, match="no track v:2"):
        film_wanted(films, ["v:2"], "film.mkv")
    with pytest.raises(InputError, match="without its pictures"):
        film_wanted(films, ["-v"], "film.mkv")


def test_a_word_that_begins_with_a_dash_belongs_to_its_option() -> None:
    given = ["--map", "-s", "film.mp4", "--map", "a:0", "--", "--map", "-s"]
    assert joined(given) == ["--map=-s", "film.mp4", "--map=a:0", "--", "--map", "-s"]
    assert joined(["--map"]) == ["--map"]
