"""A finished run is as it was written, or is said not to be; and the same command mends it."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dalign as dalign_module
import damages
import pytest
from dalign.errors import InputError
from dalign.progress import Progress
from dalign.records.verify import verify
from dalign.store.ledger import open_ledger
from dalign.store.lock import only_one
from dalign.store.seal import read_sealed, write_sealed

# Words of a command line to exit code, stdout and stderr.
Command = Callable[..., tuple[int, str, str]]


class Said(Progress):
    """What a call says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def wanted(base: Path) -> dict[str, Any]:
    """What each reader says of the whole run."""
    return {read.__name__: read(base) for read in damages.READERS}


def test_every_file_of_a_finished_run_is_covered(base: Path) -> None:
    found = dalign_module.Run(base).verify()
    assert (found.damage, found.unknown, found.unfinished) == ([], [], [])
    files = damages.files_of(base)
    assert found.files == len(files)
    assert found.bytes == sum(path.stat().st_size for path in files)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_named_and_never_reported_from(
    seed: int, run: Path, wanted: dict[str, Any]
) -> None:
    draw = random.Random(seed)
    path = draw.choice(damages.files_of(run))
    damages.apply(path, draw.choice(damages.DAMAGES), draw)
    damages.check_named(run, wanted, path)


READ_BY = {
    "evaluate/none/grades-00000.parquet": ["results", "page", "journey"],
    "evaluate/none/manifest.json": ["results", "page", "journey"],
    "evaluate/spec/cost.json": ["results", "page"],
    "inputs/prompts/part-00000.parquet": ["clauses", "journey"],
    "inputs/spec/advice.md": ["results", "page", "clauses", "journey"],
    "inputs/sources.json": ["results", "page", "clauses", "journey"],
    "config.toml": ["results", "page", "clauses", "journey"],
    "ledger.json": ["results", "page", "clauses", "journey"],
    "elapsed.json": ["results", "page"],
}


@pytest.mark.parametrize("damage", [damages.flip, damages.cut, damages.lose, damages.lengthen])
@pytest.mark.parametrize("name", READ_BY)
def test_who_reads_a_file_names_it(
    name: str, damage: damages.Damage, run: Path, wanted: dict[str, Any]
) -> None:
    damages.apply(run / name, damage, random.Random(3))
    named = damages.check_named(run, wanted, run / name)
    assert set(READ_BY[name]) <= set(named)


def content(run: Path) -> dict[str, bytes]:
    """What a run is, but for times and for how it came to be."""
    aside = (
        "ledger.json",
        "elapsed.json",
        "spent.json",
        "results.json",
        "report.html",
        "cost.json",
    )
    told = ("manifest.json", "chunks.jsonl")
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in damages.files_of(run)
        if path.name not in (*aside, *told)
    }


MENDED = [
    "evaluate/spec/manifest.json",
    "evaluate/spec/inputs.json",
    "evaluate/none/chunks.jsonl",
    "evaluate/none/cost.json",
    "evaluate/none/dropped-00000.parquet",
    "evaluate/none/part-00000.parquet",
    "evaluate/none/grades-00001.parquet",
    "evaluate/none/verdicts-00000.parquet",
    "evaluate/none/replies-judge-00000.parquet",
    "inputs/sources.json",
    "inputs/suites/test/part-00000.parquet",
    "inputs/patterns/test.toml",
    "inputs/spec/advice.md",
    "results.json",
    "report.html",
    "config.toml",
    "elapsed.json",
    "spent.json",
    "ledger.json",
]


@pytest.mark.parametrize("damage", [damages.flip, damages.lose])
@pytest.mark.parametrize("name", MENDED)
def test_the_same_command_mends_what_is_damaged_and_says_so(
    name: str, damage: damages.Damage, run: Path, wanted: dict[str, Any]
) -> None:
    before, costs = content(run), wanted["results"]["stages"]
    damages.apply(run / name, damage, random.Random(1))
    said = Said()
    dalign_module.run(None, run, progress=said)
    assert verify(run).damage == []
    assert content(run) == before
    after = damages.results(run)
    assert (after["rows"], after["pairs"]) == (
        wanted["results"]["rows"],
        wanted["results"]["pairs"],
    )
    if name not in ("results.json", "report.html"):
        assert any(str(run / name) in line for line in said.lines), said.lines
    # What was not redone cost what it cost.
    redone = {name.rpartition("/")[0]}
    kept = [row for row in costs if f"{row['stage']}/{row['variant']}" not in redone]
    assert all(row in after["stages"] for row in kept)


def test_the_way_out_of_each_file_is_said_and_works(run: Path, dalign: Command) -> None:
    for name in ("results.json", "evaluate/none/part-00000.parquet", "config.toml"):
        damages.apply(run / name, damages.cut, random.Random(2))
        code, out, _ = dalign("verify", run)
        assert (
            code == 1 and f"{run / name}: damaged or lost (" in out and "1 damaged or lost" in out
        )
        words = out.partition("`dalign ")[2].partition("`")[0].split()
        assert dalign(*words)[0] == 0
        code, out, _ = dalign("verify", run)
        assert (code, out.strip().endswith("all as the run wrote them")) == (0, True)


def test_the_check_as_json(run: Path, dalign: Command) -> None:
    (run / "notes.txt").write_text("mine")
    code, out, err = dalign("verify", run, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["damage"], found["unknown"]) == ([], ["notes.txt"])
    damages.apply(run / "evaluate/none/part-00001.parquet", damages.lose, random.Random(0))
    code, out, _ = dalign("verify", run, "--json")
    [damage] = json.loads(out)["damage"]
    assert (code, damage["path"], damage["what"]) == (1, "evaluate/none/part-00001.parquet", "lost")


def test_a_table_that_nobody_wrote_is_named_and_read_by_nothing(
    run: Path, wanted: dict[str, Any], dalign: Command
) -> None:
    more = run / "evaluate/none/grades-00099.parquet"
    shutil.copy(run / "evaluate/none/grades-00000.parquet", more)
    assert damages.results(run) == wanted["results"]
    code, out, _ = dalign("verify", run)
    assert code == 0 and f"{more}: not of the run" in out


def test_what_has_not_finished_is_no_damage(run: Path, dalign: Command) -> None:
    open_ledger(run, (run / "config.toml").read_text())
    (run / "evaluate/spec/manifest.json").unlink()
    code, out, _ = dalign("verify", run)
    assert code == 0 and "not finished, which is no damage: evaluate/spec" in out


def test_the_plan_says_what_is_damaged(run: Path, dalign: Command) -> None:
    damages.apply(run / "evaluate/none/part-00000.parquet", damages.flip, random.Random(1))
    damages.apply(run / "evaluate/spec/manifest.json", damages.cut, random.Random(1))
    before = content(run)
    code, out, _ = dalign("run", "--run", run, "--dry-run", "--json")
    states = {row["node"]: row["state"] for row in json.loads(out)["plan"]}
    assert code == 0
    assert states == {"evaluate/none": "damaged: redo", "evaluate/spec": "damaged: redo"}
    assert content(run) == before


def test_a_run_in_work_is_not_checked(run: Path, dalign: Command) -> None:
    with only_one(run):
        code, _, err = dalign("verify", run)
    assert code == 1 and "another dalign works in this folder" in err
    code, _, err = dalign("verify", run.parent)
    assert code == 1 and "no run has been started here" in err


def test_a_run_of_an_earlier_dalign_is_refused_and_done_anew_without_asking(run: Path) -> None:
    for path in run.glob("evaluate/*/manifest.json"):
        held = json.loads(path.read_text())
        del held["sha256"]
        path.write_text(json.dumps(held | {"files": sorted(held["files"])}))
    (run / "ledger.json").unlink()
    with pytest.raises(InputError, match=r"ledger\.json: .*earlier dalign.*`dalign run --run"):
        damages.results(run)
    before = content(run)
    dalign_module.run(None, run)
    assert content(run) == before
    assert verify(run).damage == []


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", "null", "5", '{"copies": 1}', "\xff", "", "[" * 99_999],
    ids=list("abcdefgh"),
)
@pytest.mark.parametrize(
    "name", ["ledger.json", "evaluate/none/manifest.json", "inputs/sources.json", "elapsed.json"]
)
def test_a_record_of_another_shape_is_one_sentence_and_mended(
    name: str, text: str, run: Path, dalign: Command
) -> None:
    (run / name).write_bytes(text.encode("latin-1"))
    code, _, err = dalign("report", "--run", run)
    assert code == 1 and err.count("\n") == 1 and f"{run / name}: damaged or lost" in err
    assert dalign("run", "--run", run)[0] == 0
    assert dalign("verify", run)[0] == 0


@pytest.mark.parametrize(
    "value", [{}, {"files": []}, {"files": {}, "facts": {}, "counts": 5}, {"copies": {}}]
)
def test_a_sealed_record_that_lacks_what_it_must_have_is_one_sentence(
    value: dict[str, Any], run: Path, dalign: Command
) -> None:
    for name in ("evaluate/none/manifest.json", "ledger.json"):
        write_sealed(run / name, value)
        code, _, err = dalign("report", "--run", run)
        assert code == 1 and err.count("\n") == 1 and f"{run / name}: damaged or lost" in err
        (run / "ledger.json").unlink()
        assert dalign("run", "--run", run)[0] == 0


def test_a_record_of_someone_else_writes_and_removes_nothing_outside_of_the_run(
    run: Path, dalign: Command
) -> None:
    outside = run.parent / "mine"
    outside.mkdir()
    (outside / "kept").write_text("x")
    ledger = read_sealed(run / "ledger.json")
    sources = read_sealed(run / "inputs" / "sources.json")
    manifest = read_sealed(run / "evaluate" / "none" / "manifest.json")
    mark = {"bytes": 1, "sha256": "0"}
    write_sealed(run / "evaluate/none/manifest.json", {**manifest, "files": {"../nope": mark}})
    told = {**sources["sources"], str(outside): sources["sources"]["prompts"]}
    write_sealed(run / "inputs/sources.json", {**sources, "sources": told})
    copies = {**ledger["copies"], "../new.txt": "x", "../mine/kept": "y"}
    copies.pop("evaluate/none/manifest.json")
    write_sealed(run / "ledger.json", {**ledger, "copies": copies})
    code, out, err = dalign("verify", run)
    assert code == 1 and "ledger.json" in out and "Traceback" not in err
    code, _, err = dalign("run", "--run", run)
    assert code == 0, err
    assert dalign("verify", run)[0] == 0
    assert (outside / "kept").read_text() == "x" and not (run.parent / "new.txt").exists()
    assert (run / "evaluate" / "spec" / "manifest.json").is_file()


def test_a_file_beside_the_policy_is_named_and_taken_out(run: Path, dalign: Command) -> None:
    added = run / "inputs" / "spec" / "zzz.md"
    added.write_text("# Zzz\n")
    code, out, _ = dalign("verify", run)
    assert code == 1 and f"{added}: damaged or lost (added" in out
    for words in (("report", "--run", run), ("spec", "coverage", run)):
        code, _, err = dalign(*words)
        assert code == 1 and f"{added}: damaged or lost (added" in err and err.count("\n") == 1
    assert dalign("run", "--run", run)[0] == 0
    assert dalign("verify", run)[0] == 0 and not added.exists()


@pytest.mark.parametrize("name", ["prompts/part-09999.parquet", "suites/test/notes/x.txt"])
def test_a_file_beside_the_rows_is_named_and_taken_out(
    name: str, run: Path, dalign: Command
) -> None:
    added = run / "inputs" / name
    added.parent.mkdir(exist_ok=True)
    added.write_text("{}")
    code, out, _ = dalign("verify", run)
    assert code == 1 and f"{added}: damaged or lost (added" in out
    code, _, err = dalign("run", "--run", run)
    assert code == 0 and f"{added}: damaged or lost (added" in err
    assert dalign("verify", run)[0] == 0 and not added.exists()


@pytest.mark.parametrize("kind", damages.STRANGERS)
def test_what_is_no_file_beside_policy_and_rows_is_named_and_taken_out(
    kind: str, run: Path, tmp_path: Path, dalign: Command
) -> None:
    places = [run / "inputs" / name for name in ("spec/zzz.md", "prompts/x", "suites/test/x.d")]
    for place in places:
        damages.add_stranger(place, kind, tmp_path / "outside")
    code, out, err = dalign("verify", run)
    assert code == 1 and "Traceback" not in err
    assert all(f"{place}: damaged or lost (added" in out for place in places)
    code, _, err = dalign("run", "--run", run)
    assert code == 0, err
    assert dalign("verify", run)[0] == 0
    assert not any(os.path.lexists(place) for place in places)
    # What a link leads to is nobody's to remove.
    assert (tmp_path / "outside" / "folder" / "file").exists()


def test_a_manifest_that_someone_else_sealed_is_named_and_not_reported_from(
    run: Path, dalign: Command
) -> None:
    path = run / "evaluate" / "none" / "manifest.json"
    write_sealed(path, {**read_sealed(path), "output_sha256": "0" * 64})
    code, _, err = dalign("report", "--run", run)
    assert code == 1 and f"{path}: damaged or lost (changed)" in err
    assert dalign("run", "--run", run)[0] == 0
    assert dalign("verify", run)[0] == 0


@pytest.mark.parametrize(
    "name", ["ledger.json", "config.toml", "elapsed.json", "inputs/sources.json", "evaluate/none/manifest.json", "evaluate/none/cost.json", "results.json"]
)  # fmt: skip
def test_a_record_longer_than_any_memory_is_named(name: str, run: Path, dalign: Command) -> None:
    os.truncate(run / name, 1 << 40)
    code, out, err = dalign("verify", run)
    assert code == 1 and f"{run / name}: damaged or lost (longer" in out and "memory" not in err
    assert dalign("run", "--run", run)[0] == 0
    assert dalign("verify", run)[0] == 0


def test_a_stage_that_was_copied_is_not_of_the_run(run: Path) -> None:
    shutil.copytree(run / "evaluate" / "none", run / "evaluate" / "none-copy")
    shutil.copytree(run / "evaluate" / "none", run / "generate" / "none")
    found = verify(run)
    assert found.damage == []
    folders = {Path(name).parent.as_posix() for name in found.unknown}
    assert folders == {"evaluate/none-copy", "generate/none"}


def test_a_stage_behind_a_link_is_of_the_run(run: Path, tmp_path: Path) -> None:
    shutil.move(run / "evaluate" / "none", tmp_path / "elsewhere")
    (run / "evaluate" / "none").symlink_to(tmp_path / "elsewhere")
    found = verify(run)
    assert (found.damage, found.unknown) == ([], [])


def test_a_name_passes_for_no_line_of_its_own(run: Path, dalign: Command) -> None:
    (run / "inputs" / "spec" / "x\n9 files: all as the run wrote them").write_text("")
    (run / "x\n9 files: all as the run wrote them").write_text("")
    code, out, _ = dalign("verify", run)
    assert code == 1 and out.count("\n") == 3
    assert not any(line.startswith("9 files") for line in out.splitlines())


def test_a_name_that_is_no_text_is_named_and_in_nobodys_way(run: Path, dalign: Command) -> None:
    for name in ("project", "inputs/spec", "evaluate/none", "."):
        (run / name / "x\udcff").write_text("x")
    code, out, _ = dalign("verify", run)
    assert code == 1 and r"inputs/spec/x\udcff: damaged or lost (added)" in out
    os.truncate(run / "evaluate" / "none" / "part-00000.parquet", 3)
    code, _, err = dalign("run", "--run", run)
    assert code == 0, err
    assert dalign("verify", run)[0] == 0


def test_a_damaged_config_of_a_run_is_no_config_for_another(
    run: Path, tmp_path: Path, dalign: Command
) -> None:
    damages.apply(run / "config.toml", damages.flip, random.Random(4))
    for words in (
        ("run", run / "config.toml", "--run", tmp_path / "other"),
        ("data", "synth", tmp_path / "new.jsonl", "--config", run / "config.toml", "--dry-run"),
    ):
        code, _, err = dalign(*words)
        assert code == 1 and f"{run / 'config.toml'}: damaged or lost (changed)" in err
        assert err.count("\n") == 1


def test_a_damaged_ledger_is_not_written_over_unseen(
    run: Path, wanted: dict[str, Any], dalign: Command
) -> None:
    damages.apply(run / "ledger.json", damages.flip, random.Random(4))
    words = ("--run", run, "--set", "evaluate.max_missing=1")
    code, _, err = dalign("report", *words)
    assert code == 1 and f"{run / 'ledger.json'}: damaged or lost (" in err
    assert dalign("run", "--run", run)[0] == 0
    assert dalign("report", *words)[0] == 0
    # What the calls took is not forgotten with the ledger.
    assert damages.results(run)["elapsed_s"] >= wanted["results"]["elapsed_s"]


@pytest.mark.parametrize("damage", [damages.flip, damages.cut, damages.lose])
def test_a_config_and_a_ledger_damaged_both_are_made_anew_by_what_is_advised(
    damage: damages.Damage, run: Path, wanted: dict[str, Any], dalign: Command
) -> None:
    config = run.with_name("mine.toml")
    config.write_bytes((run / "config.toml").read_bytes())
    damages.apply(run / "ledger.json", damage, random.Random(1))
    (run / "config.toml").write_text("a = [")
    code, out, _ = dalign("verify", run)
    assert code == 1 and "config.toml: damaged or lost" in out and "ledger.json: damaged" in out
    advised = re.search(r"`(dalign run (\S+) --run \S+)`", out)
    assert advised
    code, _, err = dalign("run", "--run", run)
    assert code == 1 and advised[0] in err and err.count("\n") == 1
    words = [config if word == "CONFIG" else word for word in advised[1].split()[1:]]
    assert dalign(*words)[0] == 0
    assert dalign("verify", run)[0] == 0
    assert damages.results(run)["rows"] == wanted["results"]["rows"]


def test_the_users_own_file_is_named_and_taken_as_it_is(base: Path, dalign: Command) -> None:
    # The config names the files of this very run.
    path = base / "project" / "suites" / "test.jsonl"
    before = path.read_bytes()
    path.write_bytes(before[: before.rstrip().rindex(b"\n") + 1])
    code, out, _ = dalign("verify", base)
    assert code == 1 and f"{path}: damaged or lost (cut" in out and "your own file" in out
    assert dalign("report", "--run", base)[0] == 0
    code, _, err = dalign("run", "--run", base)
    assert code == 0 and f"{path}: not as the run read it (cut" in err
    assert dalign("verify", base)[0] == 0
    path.write_bytes(before)
    assert dalign("run", "--run", base)[0] == 0
