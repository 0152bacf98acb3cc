"""The Chinese page has the commands of the English one, and all options."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from reel.models.manifest import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
SHARED = {  # sections that are on both pages, by what comes after them on each
    "try it": ("## Try it", "## Restore a film", "## 试一试", "## 修复一部影片"),
    "restore": ("## Restore a film", "### By example", "## 修复一部影片", "### 用法示例"),
    "by example": ("### By example", "### If you come from", "### 用法示例", "### 从 PaddleGAN"),
    "PaddleGAN": ("### If you come from", "## Networks", "### 从 PaddleGAN", "## 选项"),
    "GPU": ("## On an NVIDIA GPU", "## Limits", "## NVIDIA GPU", "## 注意"),
}


def part(text: str, begin: str, end: str) -> str:
    assert text.count(f"\n{begin}") == text.count(f"\n{end}") == 1
    return text.partition(f"\n{begin}")[2].partition(f"\n{end}")[0]


def blocks(text: str) -> list[str]:
    """Return the lines of code that stand by themselves."""
    return re.findall(r"^    (\S.*)$", text, re.MULTILINE)


def examples(text: str) -> list[str]:
    """Return the first cell of each row of a table."""
    return re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)


def words_of_code(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("section", SHARED)
def test_both_pages_have_the_same_commands_in_the_same_order(section: str) -> None:
    english, chinese = part(ENGLISH, *SHARED[section][:2]), part(CHINESE, *SHARED[section][2:])
    assert blocks(chinese) == blocks(english)
    assert examples(chinese) == examples(english)
    assert blocks(english) or examples(english)


@pytest.mark.parametrize("section", SHARED)
def test_both_pages_name_the_same_files_options_and_values(section: str) -> None:
    english, chinese = part(ENGLISH, *SHARED[section][:2]), part(CHINESE, *SHARED[section][2:])
    assert words_of_code(chinese) == words_of_code(english)


@pytest.mark.parametrize("command", ["run", "export"])
def test_the_chinese_page_has_a_row_for_every_option_and_for_no_other(command: str) -> None:
    program = [sys.executable, "-m", f"reel.cli.{command}", "--help"]
    text = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    options = text.partition("\noptions:")[2].partition("\nexamples:")[0]
    known = set(
        re.findall(r"(?<![\w-])--[a-z][\w-]*", "\n".join(re.findall(r"^  -.*", options, re.MULTILINE)))
    )
    table = CHINESE.partition(f"### reel-{command}\n")[2].partition("\n##")[0]
    rows = [set(re.findall(r"--[a-z][\w-]*", row)) for row in examples(table)]
    assert set().union(*rows) == known
    assert sum(map(len, rows)) == len(known)  # each once


def test_the_chinese_page_names_every_network() -> None:
    named = examples(part(CHINESE, "## 网络", "## NVIDIA GPU"))
    assert named == [f"`{network.name}`" for network in NETWORKS]


def test_the_pages_link_to_each_other() -> None:
    assert "(README.zh-CN.md)" in ENGLISH
    for link in re.findall(r"\]\(([^)#]+)", CHINESE):
        assert (ROOT / link).exists(), link
