from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.completions import Sampling, Usage
from rtbench.storage.files import file_name
from rtbench.storage.locks import locked, try_locked
from rtbench.storage.plain_data import convert
from rtbench.storage.reading import read_json, read_jsonl
from rtbench.storage.writing import atomic_write, write_json
from rtbench.storage.yaml_files import read_yaml


def test_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as handle:
        handle.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{"prompt_tokens": 1, "completion_tokens": 2}\n\n{"prompt_tokens": 1,', 3, "truncated"),
        ('{"prompt_tokens": 1, "completion_tokens": "x"}', 1, "int"),
        ('{"prompt_tokens": 1, "completion_tokens": 1, "extra": 1}', 1, "extra"),
    ],
)
def test_bad_line_of_jsonl_is_named(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(BadInputError, match=said) as caught:
        read_jsonl(path, Usage)
    assert caught.value.where == f"{path}, line {line}"


def test_broken_json_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n"a": 1,\n"b": }\n')
    with pytest.raises(BadInputError) as caught:
        read_json(path)
    assert caught.value.where == f"{path}, line 3"


def test_broken_yaml_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb: [1,\nc: 2\n")
    with pytest.raises(BadInputError) as caught:
        read_yaml(path)
    assert ", line 4" in str(caught.value)


@pytest.mark.parametrize("name", ["missing.json", "folder"])
def test_unreadable_path_is_one_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInputError):
        read_json(tmp_path / name)


def test_yaml_reads_numbers_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1e-3\nb: 1.0e-3\nc: 3E4\nd: e3\ne: 1e-3x\nf: '1e-3'\n")
    assert read_yaml(path) == {"a": 0.001, "b": 0.001, "c": 30000.0, "d": "e3", "e": "1e-3x", "f": "1e-3"}


def test_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt_tokens": 1, "completion_tokens": 2}\n' * 100)[:40])
    with pytest.raises(BadInputError, match="gzip"):
        read_jsonl(path, Usage)


def test_unknown_key_comes_with_the_nearest_known_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'temperature'"):
        convert({"max_new_tokens": 1, "temprature": 0.5}, Sampling, where="here")


def test_any_text_is_the_name_of_a_file() -> None:
    assert file_name("train gsm8k/fine-tune-cot/a b: T0.7/seed0") == "train_gsm8k_fine-tune-cot_a_b_T0.7_seed0"
    assert "/" not in file_name("../../etc/passwd")


def test_new_file_has_the_mode_that_the_umask_grants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("another thread could write just then"))
        write_json(tmp_path / "a.json", {"a": 1})
        monkeypatch.undo()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_lock_keeps_other_processes_out_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locked(path):
        assert in_another_process(path) == "False"
    assert not path.exists()
    assert in_another_process(path) == "True"
    assert not path.exists()


def test_lock_keeps_other_threads_out(tmp_path: Path) -> None:
    inside: list[int] = []

    def work(_: int) -> None:
        with locked(tmp_path / "a.lock"):
            inside.append(len(inside))
            count = len(inside)
            time.sleep(0.002)
            assert len(inside) == count

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(20)))
    assert inside == list(range(20))


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = f"import os\nfrom pathlib import Path\nfrom rtbench.storage.locks import locked\nwith locked(Path({str(path)!r})):\n    os._exit(3)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    assert path.exists()
    with try_locked(path) as ours:
        assert ours


def in_another_process(path: Path) -> str:
    code = f"from pathlib import Path\nfrom rtbench.storage.locks import try_locked\nwith try_locked(Path({str(path)!r})) as ours:\n    print(ours)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_json_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": 1,\n "b": "\xff"}')
    with pytest.raises(BadInputError, match=r"a\.json, line 2: not UTF-8 text"):
        read_json(path)


@pytest.mark.parametrize("text", ["x" * 400, "三" * 200, "/".join(["a b"] * 100)])
def test_file_name_of_a_long_text_can_be_created_and_is_its_own(text: str, tmp_path: Path) -> None:
    name = file_name(text)
    (tmp_path / f".{name}.jsonl.0123456789abcdef").write_text("")
    assert file_name(text + "y") != name
    assert file_name("short-name_1.x") == "short-name_1.x"
