"""What the documents tell the reader to type is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer
from dalign.cli.app import app
from tree import ROOT
from typer.testing import CliRunner

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "EXPERIMENTS.md"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.search(r"^\.PHONY: (.*)", MAKEFILE.replace("\\\n", " "), re.MULTILINE)[1].split())  # type: ignore[index]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def commands_of(path: Path) -> list[list[str]]:
    """The commands of a document's shell blocks, and of its inline code, as words."""
    text = path.read_text()
    lines = [
        line.strip().removeprefix("$ ")
        for block in re.findall(r"```(?:bash|sh|console|shell)\n(.*?)```", text, re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"`((?:make|dalign) [^`\n]+)`", text)
    commands = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [words for words in commands if words]


def documents() -> list[Path]:
    return [ROOT / name for name in DOCUMENTS if (ROOT / name).is_file()]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_make_command_of_a_document_is_a_target(path: Path) -> None:
    named = {
        word
        for words in commands_of(path)
        if words[0] == "make"
        for word in words[1:]
        if "=" not in word and not word.startswith("-")
    }
    assert named - TARGETS == set()


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_dalign_command_of_a_document_exists(path: Path) -> None:
    named = {
        words[1]
        for words in commands_of(path)
        if Path(words[0]).name == "dalign" and len(words) > 1 and re.match(r"[a-z]", words[1])
    }
    assert named - set(COMMANDS) == set()


def test_the_readme_names_the_two_commands_that_set_everything_up() -> None:
    commands = [words[:2] for words in commands_of(ROOT / "README.md")]
    assert ["make", "demo"] in commands
    assert ["make", "test"] in commands


def test_every_target_has_one_line_of_help() -> None:
    explained = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert explained == TARGETS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example_of_it(command: str) -> None:
    # Wide, so that an example stays on its line.
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"dalign {command}" in result.output.partition("Example:")[2], result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_each_command_gives_options_that_it_has(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    before, _, example = result.output.partition("Example:")
    own = example.split("&&")[0]
    assert [option for option in re.findall(r"--[a-z-]+", own) if option not in before] == []


def test_every_command_says_what_it_does() -> None:
    group = typer.main.get_command(app)
    with click.Context(click.Command("dalign")):
        unexplained = [name for name in COMMANDS if not group.commands[name].get_short_help_str()]  # type: ignore[attr-defined]
    assert unexplained == []
