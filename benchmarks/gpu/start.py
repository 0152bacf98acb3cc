"""Measure on a machine with an NVIDIA GPU, without a network: unpack, install, run, print a short table last.

    python3 start.py --out RESULTS                  # all of it, in the time that there is
    python3 start.py --take                         # only take over the parts that are here so far
    python3 start.py --device cpu --rehearse        # without a GPU: that all of it works

Lies beside the manifest of a pack (see ``pack.py``) and as many of its parts as have been brought; parts may
come one after the other. Started again, it goes on with what is missing. Needs Python 3.11 or later with pip.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from environments import Environments, PlaceError, own_wheels, versions
from gpu_facts import gpu_facts, machine_facts
from parts import Manifest, PackError, keep_parts, missing_parts, read_manifest, unpack_bundle
from results import DONE, FILE, LEFT_OUT, Results, table
from running import run_stage
from stages import Stage, sizes, stages_for

_LAST = 15
"""Seconds: with less time left than this, no stage is begun."""


def main() -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", type=Path, default=Path(__file__).parent, help="default: beside this file")
    parser.add_argument("--work", type=Path, default=Path("/tmp/reel-gpu"), help="default: /tmp/reel-gpu")
    parser.add_argument("--out", type=Path, help="for the results (default: out in the work folder)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rehearse", action="store_true", help="small frames: to see that all of it works")
    parser.add_argument("--seconds", type=float, default=570, help="end after these (default: 570)")
    parser.add_argument("--take", action="store_true", help="only take over the parts that are here")
    parser.add_argument("--again", nargs="+", metavar="STAGE", default=[], help="measure these anew")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only stages whose names have one of these")
    parser.add_argument("--known", type=Path, help=f"a {FILE} of the same pack and GPU, to go on from")
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    try:
        return _run(options, ends)
    except (PackError, PlaceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, ends: float) -> int:
    manifest = read_manifest(options.parts)
    kept = options.work / manifest.key / "parts"
    for name in keep_parts(manifest, options.parts, kept):
        print(f"taken: {name}")
    missing = {bundle.name: missing_parts(bundle, [kept]) for bundle in manifest.bundles}
    for name, parts in missing.items():
        if parts:
            print(f"not here: {' '.join(parts)}, of {name}")
    if options.take:
        return 0
    home = options.work / manifest.key
    here = _unpack(manifest, kept, home, [name for name, parts in missing.items() if not parts])
    out = options.out or options.work / "out"
    out.mkdir(parents=True, exist_ok=True)
    results = _results(options, manifest, home)
    environments = Environments(home)
    environments.check()
    chosen = stages_for(manifest.facts["networks"], device=options.device, rehearse=options.rehearse)
    try:
        for stage in chosen:
            if options.only and not stage.prepares and not any(word in stage.name for word in options.only):
                continue
            if not _one(stage, here, environments, results, home, out, ends):
                print("the time is over; start again to go on")
                break
    finally:
        _show(results, home, out)
    return 0


def _unpack(manifest: Manifest, kept: Path, home: Path, names: list[str]) -> set[str]:
    """Unpack the bundles that are whole, side by side, and return their names.

    Raises:
        PackError: That of reel itself is not among them, or one is damaged.
    """
    if "reel" not in names:
        raise PackError("The bundle reel is not whole.", "Bring its parts first.")
    began = time.monotonic()
    others = {bundle.name for bundle in manifest.bundles if bundle.name.startswith("python-")} - {
        own_wheels()
    }
    wanted = [
        bundle
        for bundle in manifest.bundles
        if bundle.name in set(names) - others and not (home / "pack" / bundle.name).is_dir()
    ]
    with ThreadPoolExecutor() as threads:
        each = [
            threads.submit(unpack_bundle, bundle, [kept], home / "pack" / bundle.name) for bundle in wanted
        ]
        for one in each:
            one.result()
    if wanted:
        print(f"unpacked {', '.join(bundle.name for bundle in wanted)}: {time.monotonic() - began:.0f} s")
    return set(names)


def _results(options: argparse.Namespace, manifest: Manifest, home: Path) -> Results:
    gpu = gpu_facts() if options.device == "cuda" else None
    if options.device == "cuda" and gpu is None:
        raise PackError("nvidia-smi shows no GPU.", "Give --device cpu to try all else without one.")
    of = {
        "pack": manifest.key,
        "device": options.device,
        "rehearse": options.rehearse,
        "gpu": gpu and [gpu["name"], gpu["driver_version"]],
    }
    path = home / FILE
    if options.known and not path.is_file():
        shutil.copyfile(options.known, path)
    results = Results(path, of)
    results.facts |= {
        "gpu": gpu,
        "machine": machine_facts(),
        "sizes": sizes(rehearse=options.rehearse),
        "packed": {name: value for name, value in manifest.facts.items() if name != "work"},
        "versions": versions(home / "pack"),
        "command": command(sys.argv[1:]),
    }
    for name in options.again:
        results.stages.pop(name, None)
    results.save()
    return results


def command(arguments: list[str]) -> str:
    """Return the command that repeats a run, without the paths of this machine."""
    words = ["python3", "start.py"]
    given = iter(arguments)
    for word in given:
        words.append(word)
        if word in ("--parts", "--work", "--out", "--known"):
            words.append("PATH")
            next(given, None)
    return shlex.join(words)


def _one(
    stage: Stage,
    here: set[str],
    environments: Environments,
    results: Results,
    home: Path,
    out: Path,
    ends: float,
) -> bool:
    """Run a stage if it is missing and can be run; return whether there is time for another."""
    if results.is_settled(stage.name) and not stage.prepares:
        return True
    absent = [bundle for bundle in stage.bundles if bundle not in here]
    if absent:
        results.note(stage.name, state=LEFT_OUT, why=f"{', '.join(absent)} was not brought")
        return True
    left = ends - time.monotonic()
    if left < _LAST:
        return False
    try:
        program, variables = environments.command(stage)
    except PlaceError as error:
        results.note(stage.name, state=LEFT_OUT, why=str(error))
        return True
    ended = run_stage(stage, program, variables, results, home, left)
    _copy(home, out)
    print(f"{stage.name}: {ended}", flush=True)
    return ends - time.monotonic() >= _LAST


def _copy(home: Path, out: Path) -> None:
    for path in (home / FILE, home / "log.txt"):
        if path.is_file():
            shutil.copyfile(path, out / path.name)
    # As one file: a way back may be narrow, too.
    with zipfile.ZipFile(out / "frames.zip", "w") as frames:
        for path in sorted(home.glob("*.png")):
            frames.write(path, path.name)


def _show(results: Results, home: Path, out: Path) -> None:
    text = table(results.facts)
    (out / "table.txt").write_text(text + "\n", encoding="utf-8")
    _copy(home, out)
    done = sum(stage["state"] == DONE for stage in results.stages.values())
    print(f"{done} of {len(results.stages)} stages done; {out} has everything\n\n{text}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
