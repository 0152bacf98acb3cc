"""What reel-run understands: its options, and the words that explain them."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import __version__
from ..models.manifest import NETWORKS
from ..models.store import default_store
from .beside import report_file
from .maps import track
from .sweep import sweep_type
from .terminal import Grammar
from .times import count, frame_rate, picture_size, quality, samples, seconds, size, time_step

NAMES = frozenset(network.name for network in NETWORKS)

_EXAMPLES = """\
examples:
  reel-run film.mp4                                  twice the frames, colour, four times the size
  reel-run film.mp4 --preview                        a few seconds of it, and what all of it would take
  reel-run film.mp4 --sweep render_factor=20,28,36   the same with each of these, beside each other
  reel-run film.mp4 --start 1:00 --end 1:05          five seconds of it
  reel-run film.mp4 -o out.mkv --order edvr-m        enlarge only
  reel-run film.mp4 --order dain --fps 50            50 frames per second
  reel-run scans/ -o restored/ --rate 18             pictures in, pictures out
  reel-run photo.png --order deoldify edvr           one photo
  reel-run a.mp4 b.mkv films/ -o restored/           several films; one that fails stops no other
  reel-run film.mp4 --work-dir /big/disk             keep unfinished work elsewhere
  reel-run --input film.mp4 --output folder --process_order DAIN DeOldify EDVR    as with PaddleGAN

Frames are coloured before those in between are made: half the colouring, and colours that flicker less.
"--order dain deoldify edvr" colours every frame anew, as PaddleGAN does; "--order deoldify edvr dain" also
halves the enlarging, but interpolates large frames, which takes longer and more memory.

Ctrl-C stops, twice at once. The same command goes on with what a run that was stopped or broke off has left.
"""


def parser() -> Grammar:
    """Return the command line's grammar."""
    result = Grammar(
        prog="reel-run",
        description="Restore a film, a folder of pictures or a photo with networks from reel-export.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="reel-run INPUT [INPUT ...] [-o OUTPUT] [options]",
    )
    result.add_argument(
        "sources",
        metavar="INPUT",
        nargs="*",
        help="film, folder of pictures, frames/%%06d.png, photo; or several, or a folder of films",
    )
    result.add_argument("--input", dest="source_option", metavar="INPUT", help=argparse.SUPPRESS)
    result.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="film, photo, or frames/%%06d.png or a folder for pictures; the folder of several results "
        "(default: beside INPUT)",
    )
    result.add_argument("--overwrite", "-y", action="store_true", help="replace OUTPUT if it is there")
    result.add_argument(
        "--work-dir", metavar="DIR", type=Path, help="for unfinished work (default: hidden, beside OUTPUT)"
    )
    result.add_argument(
        "--memory",
        type=size,
        metavar="SIZE",
        help="for the networks, beyond their weights: 4G, 800M; frames for which it is too little are "
        "computed in parts (default: half of the machine's, if that is free; on a GPU most of what is free)",
    )
    result.add_argument(
        "--compare",
        nargs="?",
        choices=("side", "wipe"),
        const="side",
        help="also write a film of before and after beside OUTPUT: side by side, or with a split that goes "
        "across and comes back",
    )
    result.add_argument(
        "--report",
        metavar="FILE",
        nargs="?",
        const="",
        type=report_file,
        help="also write a page that tells of the run: pictures before and after, time, speed, memory, "
        "warnings, versions (default of FILE: beside OUTPUT, ends in .report.html)",
    )
    result.add_argument("--timings", action="store_true", help="say at the end how the time was spent")
    result.add_argument("--summary", metavar="FILE", type=Path, help="write what the run came to as JSON")
    result.add_argument("--fresh", action="store_true", help="start over, and drop what is unfinished")
    result.add_argument("--store", metavar="DIR", type=Path, help=f"default: {default_store()}")
    result.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    result.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "tensorrt"),
        default="auto",
        help="where the networks run; auto takes the best that works, and says which (default: auto)",
    )
    result.add_argument("--cpu", dest="device", action="store_const", const="cpu", help=argparse.SUPPRESS)
    result.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    networks, film = _add_networks(result), _add_film(result)
    # The only place where argparse says what a group holds.
    _add_preview(result, [*networks._group_actions, *film._group_actions])  # pyright: ignore[reportPrivateUsage]
    for name in ("DAIN", "DeOldify", "EDVR", "RealSR", "DeepRemaster"):
        result.add_argument(f"--{name}_weight", dest="weight", help=argparse.SUPPRESS)
    return result


def _add_networks(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("networks")
    group.add_argument(
        "--order",
        "--process_order",
        "--proccess_order",  # PaddleGAN's own spelling
        metavar="NETWORK",
        nargs="*",
        help=f"any of {', '.join(sorted(NAMES))}, in any order; none at all only decodes and encodes "
        "(default: deoldify dain edvr, as far as they are exported; small networks that come with reel stand "
        "in for the others, and nothing is coloured without a colouriser)",
    )
    frames = group.add_mutually_exclusive_group()
    frames.add_argument("--times", type=count, metavar="N", help="N times as many frames (default: 2)")
    frames.add_argument("--fps", type=frame_rate, metavar="F", help="F frames per second")
    frames.add_argument(
        "--time-step",
        "--time_step",
        type=time_step,
        metavar="S",
        help="a frame every S of the film's own, 0 < S < 1",
    )
    group.add_argument("--remove-duplicates", action="store_true", help="interpolate over repeated frames")
    group.add_argument(
        "--remove_duplicates", dest="duplicates_option", nargs="?", const="True", help=argparse.SUPPRESS
    )
    group.add_argument(
        "--render-factor",
        "--render_factor",
        type=count,
        default=32,
        metavar="N",
        help="detail the colouriser sees, times 16 pixels; smaller is bolder and faster (default: 32)",
    )
    group.add_argument("--artistic", action="store_true", help="deoldify-artistic instead of deoldify")
    group.add_argument(
        "--cuts",
        choices=("auto", "off"),
        default="auto",
        help="auto finds cuts and blends nothing across them; off takes the film for one shot",
    )
    group.add_argument(
        "--parity",
        choices=("correct", "ppgan"),
        default="correct",
        help="ppgan repeats PaddleGAN's bytes: 8 bits between networks, swapped luma weights, no regard "
        "for cuts (default: correct)",
    )
    return group


def _add_preview(parser: argparse.ArgumentParser, settings: list[argparse.Action]) -> None:
    group = parser.add_argument_group("try before")
    group.add_argument(
        "--preview",
        action="store_true",
        help="restore a few samples of the film only, into a folder beside OUTPUT with a contact sheet, and "
        "say what time and room all of it would take",
    )
    group.add_argument(
        "--sweep",
        action="append",
        type=sweep_type(settings),
        default=[],
        metavar="NAME=A,B",
        help="preview with each of these values of an option, beside each other on the sheet: "
        "render-factor=20,28,36 or order=dain+deoldify,deoldify; given again, every combination",
    )
    group.add_argument(
        "--samples",
        type=samples,
        metavar="NxT",
        help="how many samples, and how many seconds each one lasts (default: 3x1s; 3x0.25s with --sweep)",
    )


def _add_film(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("film")
    group.add_argument("--start", type=seconds, metavar="T", help="from here on: seconds or h:mm:ss")
    group.add_argument("--end", type=seconds, metavar="T", help="up to here")
    group.add_argument(
        "--field",
        choices=("auto", "progressive", "tff", "bff", "telecine"),
        default="auto",
        help="how the film's pictures are made up; interlaced ones (upper or lower field first) and "
        "telecined ones are made progressive (default: auto)",
    )
    group.add_argument(
        "--map",
        action="append",
        type=track,
        default=[],
        metavar="TRACK",
        help="tracks to keep, as ffmpeg names them: 0:a:1 the second sound track, s all subtitles, "
        "a:m:language:eng English sound, 0:3 stream 3, v:1 the second film, -s no subtitles; can be given "
        "again (default: all)",
    )
    group.add_argument("--rate", type=frame_rate, metavar="F", help="of a folder of pictures (default: 24)")
    group.add_argument(
        "--crop",
        choices=("auto", "off"),
        default="off",
        help="auto finds black borders and leaves them out of the networks' work; they come back around the "
        "result (default: off)",
    )
    group.add_argument(
        "--size",
        dest="picture_size",
        type=picture_size,
        metavar="SIZE",
        help="fit the result into 2160p, 1080p, 4k or WxH at last, its shape kept (default: as it is)",
    )
    group.add_argument(
        "--hdr",
        choices=("refuse", "tonemap"),
        default="refuse",
        help="tonemap brings HDR film (PQ, HLG) into the range of ordinary film (default: refuse)",
    )
    group.add_argument("--codec", help="encoder: h264, hevc, av1, vp9, prores, ffv1, or any of libav")
    group.add_argument("--crf", type=quality, metavar="N", help="quality, lower is better (default: 16)")
    group.add_argument("--preset", help="speed of the encoder (default: medium)")
    group.add_argument("--pix-fmt", metavar="FORMAT", help="pixel format (default: as the film's)")
    return group
