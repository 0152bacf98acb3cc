"""What README and CONTRIBUTING say is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from reel.cli import export
from reel.cli.maps import joined
from reel.cli.options import parser as run_parser
from reel.models.manifest import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
OTHER_COMMANDS = ("pip ", "uv ", "python3 ")


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


def help_of(command: str) -> str:
    program = [sys.executable, "-m", f"reel.cli.{command}", "--help"]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    return {f"reel-{command}": flags(help_of(command)) for command in ("run", "export")}


def test_every_option_in_the_readme_is_one_of_its_command(known: dict[str, set[str]]) -> None:
    # PaddleGAN's own spelling is accepted, and left out of --help
    known["reel-run"].add("--remove_duplicates")
    for line in README.splitlines():
        if any(command in line for command in OTHER_COMMANDS):
            continue
        named = [options for command, options in known.items() if command in line] or list(known.values())
        assert flags(line) - set().union(*named, {"--help"}) == set(), line


def commands(name: str) -> list[str]:
    """Return the example commands of the README, as written."""
    inline = re.findall(rf"`({name}(?: [^`]*)?)`", README)
    return inline + re.findall(rf"^    ({name}.*)$", README, re.MULTILINE)


@pytest.mark.parametrize("command", commands("reel-run"))
def test_every_example_of_reel_run_is_understood(command: str) -> None:
    if command != "reel-run":
        options = run_parser().parse_intermixed_args(joined(command.split()[1:]))
        assert options.sources or options.source_option


@pytest.mark.parametrize("command", commands("reel-export"))
def test_every_example_of_reel_export_is_understood(command: str) -> None:
    options = export.parser().parse_args(command.split()[1:])
    assert set(options.networks) <= {network.name for network in NETWORKS}


def test_the_readme_names_every_network_with_its_size() -> None:
    for network in NETWORKS:
        row = next(line for line in README.splitlines() if line.startswith(f"| `{network.name}` |"))
        assert f"{network.parameters / 1e6:.1f} M" in row


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_leads_to_a_file(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / document).read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


def tree() -> list[str]:
    """Return the paths in the README's tree; two spaces more are one folder deeper."""
    section = README.partition("## The tree")[2].partition("\n## ")[0]
    paths: list[str] = []
    above: list[str] = []
    for line in section.splitlines():
        if line.startswith("    "):
            depth = (len(line) - len(line.lstrip()) - 4) // 2
            above[depth:] = [line.split()[0]]
            paths.append("".join(above))
    return paths


def test_the_tree_in_the_readme_is_the_tree() -> None:
    assert len(tree()) > 40
    assert len(tree()) == len(set(tree()))
    assert [path for path in tree() if not (ROOT / path).exists()] == []
    assert [path for path in tree() if path.endswith("/") != (ROOT / path).is_dir()] == []


def test_the_tree_in_the_readme_misses_no_top_level_package() -> None:
    packages = {f"{init.parent.name}/" for init in ROOT.glob("*/__init__.py")}
    assert packages <= set(tree())


def test_the_requirements_that_the_readme_installs_are_there() -> None:
    files = re.findall(r"requirements/[a-z]+\.txt", README)
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []
