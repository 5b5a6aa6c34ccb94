"""What the documents tell the reader to type and to look at is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import typer
from dalign.cli.app import app
from readme import STEPS, first_project
from tree import PACKAGE, ROOT
from typer.testing import CliRunner

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.search(r"^\.PHONY: (.*)", MAKEFILE.replace("\\\n", " "), re.MULTILINE)[1].split())
COMMANDS = sorted(typer.main.get_command(app).commands)


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


def tracked(*patterns: str) -> list[str]:
    """Paths of files under version control, from the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in done.stdout.splitlines() if (ROOT / path).exists()]


# What stands in a policy of the user's own.
USERS = {"spec/templates", "templates/ruling.toml", "models/mine"}
# Results tell of the commit that they name.
DOCUMENTS = [
    ROOT / path for path in tracked("*.md") if Path(path).parts[:2] != ("benches", "results")
]
FILES = {ROOT / path for path in tracked()}
PLACES = FILES | {folder for path in FILES for folder in path.parents}
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


@each_document
def test_every_make_command_of_a_document_is_a_target(path: Path) -> None:
    named = {
        word
        for words in commands_of(path)
        if words[0] == "make"
        for word in words[1:]
        if "=" not in word and not word.startswith("-")
    }
    assert named - TARGETS == set()


def misuse(words: list[str]) -> list[str]:
    """Words of a dalign command line that are no command, where one must stand, or no option of the command."""
    command = typer.main.get_command(app)
    options = {"--help"}
    rest = words[1:]
    while hasattr(command, "commands"):
        options |= options_of(command)
        if hasattr(command, "stage") and (not rest or rest[0] not in command.commands):
            # A stage with commands beside its own.
            rest = [command.stage, *rest]
        if not rest or not re.match(r"[a-z]", rest[0]):
            # A name that stands for commands, or the bare group.
            return []
        if rest[0] not in command.commands:
            return rest[:1]
        command, rest = command.commands[rest[0]], rest[1:]
    options |= options_of(command)
    return [word for word in rest if word.startswith("--") and word.split("=")[0] not in options]


def options_of(command: click.Command) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


@each_document
def test_every_dalign_command_of_a_document_exists_with_its_options(path: Path) -> None:
    lines = [words for words in commands_of(path) if Path(words[0]).name == "dalign"]
    assert {" ".join(words): wrong for words in lines if (wrong := misuse(words))} == {}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("dalign run a.toml --run r --set a=1", []),
        ("dalign runs a.toml", ["runs"]),
        ("dalign spec chek p/", ["chek"]),
        ("dalign spec check p/ --modle a", ["--modle"]),
        ("dalign data filter a b --min-chars=3 --quality", []),
        ("dalign data dedup a b --min-chars 3", ["--min-chars"]),
    ],
)
def test_a_command_line_that_is_wrong_is_told(line: str, wrong: list[str]) -> None:
    assert misuse(line.split()) == wrong


def missing(name: str, bases: tuple[Path, ...]) -> bool:
    """Whether a path that begins in one of these folders leads nowhere."""
    first = name.split("/")[0]
    begun = [base for base in bases if (base / first).resolve() in PLACES]
    return bool(begun) and not any((base / name).resolve() in PLACES for base in begun)


@each_document
def test_every_link_and_path_of_a_document_leads_to_a_file(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)\s#]+)", text)
    assert [link for link in links if (path.parent / link).resolve() not in PLACES] == []
    # Names in capitals stand for the reader's own.
    named = re.findall(r"`([a-z_.][\w.-]*(?:/[a-z_0-9.][\w.-]*)+)/?(?::\w+)?`", text)
    bases = (ROOT, path.parent, PACKAGE, path.parent / "src")
    assert [name for name in named if name not in USERS and missing(name, bases)] == []


def test_the_readme_names_the_two_commands_that_set_everything_up() -> None:
    commands = [words[:2] for words in commands_of(ROOT / "README.md")]
    assert ["make", "demo"] in commands
    assert ["make", "test"] in commands


def test_readmes_first_project_has_the_steps_that_are_run_on_a_real_model() -> None:
    assert len(first_project()) == len(STEPS)


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
        unexplained = [name for name in COMMANDS if not group.commands[name].get_short_help_str()]
    assert unexplained == []
