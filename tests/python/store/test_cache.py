"""The cache of replies: what enters, what comes out, by several processes at once, and what is no cache."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.store.cache import DATABASE, Cache, Cached

HI = Cached("hi \U0001f600\n", "stop", 3)


def age(cache: Cache, key: str, days: int) -> None:
    """Has a reply last been used so long ago."""
    used = int(time.time()) // 86_400 - days
    cache._open.execute("UPDATE replies SET used = ? WHERE key = ?", (used, key))


def test_what_was_added_is_found_by_its_key_also_by_who_opens_it_later(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "a" / "b")
    cache.add({"k1": HI, "k2": Cached("cut", "length", 9)})
    assert cache.find(["k1", "k3"]) == {"k1": HI}
    cache.close()
    again = Cache(tmp_path / "a" / "b")
    assert again.find(["k2", "k1", "k1"]) == {"k1": HI, "k2": Cached("cut", "length", 9)}
    assert again.find([]) == {}


def test_what_never_came_stays_out(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.add({"k1": Cached("status 500", "error", 0), "k2": Cached("", "timeout", 0)})
    assert cache.find(["k1", "k2"]) == {} and cache.stats().replies == 0


def test_the_first_reply_of_a_key_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.add({"k": HI})
    cache.add({"k": Cached("another", "stop", 1)})
    assert cache.find(["k"]) == {"k": HI}


def test_more_keys_than_one_question_takes(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.add({f"k{i}": Cached(str(i), "stop", i) for i in range(5000)})
    found = cache.find([f"k{i}" for i in range(0, 10_000, 2)])
    assert len(found) == 2500 and found["k4998"].text == "4998"


def test_several_processes_write_and_read_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom dalign.store.cache import Cache, Cached\n"
        "own = int(sys.argv[2])\ncache = Cache(Path(sys.argv[1]))\n"
        "for i in range(150):\n"
        "    cache.add({f'{own}-{i}': Cached(str(own), 'stop', 1), f'all-{i}': Cached('x', 'stop', 1)})\n"
        "    assert cache.find([f'{own}-{i}', f'all-{i}']).keys() == {f'{own}-{i}', f'all-{i}'}\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(own)]) for own in range(4)
    ]
    assert [each.wait() for each in running] == [0, 0, 0, 0]
    assert Cache(tmp_path).stats().replies == 5 * 150


def test_pruning_takes_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.add({f"k{i}": Cached("x" * 1000, "stop", 1) for i in range(10)})
    for i in range(10):
        age(cache, f"k{i}", 10 * i)
    assert cache.prune(unused_days=75) == 2
    # Finding one is using it.
    cache.find(["k7"])
    assert cache.prune(most_bytes=3 * 1080) == 5
    assert cache.find([f"k{i}" for i in range(10)]).keys() == {"k0", "k1", "k7"}
    stats = cache.stats()
    assert (stats.replies, stats.tokens, stats.oldest_days) == (3, 3, 0)


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_cache_is_told_by_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE).write_bytes(content)
    with pytest.raises(InputError, match=DATABASE) as told:
        Cache(tmp_path).find(["k"])
    assert "remove it" in str(told.value)


def test_the_commands_count_and_prune(dalign, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = Cache(folder)
    cache.add({"k1": HI, "k2": HI})
    age(cache, "k2", 40)
    code, out, _ = dalign("cache", "stats", folder)
    assert code == 0 and out.startswith("2 replies of 6 tokens in ") and "40 days ago" in out
    code, out, _ = dalign("cache", "prune", folder, "--unused-days", "30", "--json")
    assert code == 0 and json.loads(out)["removed"] == 1 and json.loads(out)["replies"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["stats", "{}"], "no cache is there; name the folder that run.cache"),
        (["prune", "{}", "--most-mib", "1"], "no cache is there"),
        (["prune", "{}"], "give --unused-days, --most-mib or both"),
    ],
)
def test_bad_input_is_one_sentence_and_makes_nothing(
    dalign, tmp_path: Path, line: list[str], words: str
) -> None:
    code, out, err = dalign("cache", *(part.format(tmp_path / "absent") for part in line))
    assert (code, out) == (1, "") and words in err and err.count("\n") == 1
    assert not (tmp_path / "absent").exists()
