"""Folders whose files are not whole: named before a run begins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import rtbench_plugins.pocket
from rtbench_plugins.hf.shapes import parameters_in
from rtbench_plugins.hf.students import causal_student
from rtbench_plugins.hf.teacher import hf_teacher
from rtbench_plugins.hf.weights import check_files

from rtbench.errors import BadInputError
from tests.helpers.cli import Cli
from tests.helpers.sessions import session

BASE = Path(rtbench_plugins.pocket.__file__).parent / "models" / "pocket-0.5m"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 1186784\n"
PART = "model-0000{}-of-00002.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "mine"))


def test_whole_folder_is_fine(folder: Path) -> None:
    check_files(folder, whose="student 's'")
    (folder / "model.safetensors").rename(folder / PART.format(1))
    shutil.copy(folder / PART.format(1), folder / PART.format(2))
    check_files(folder, whose="student 's'")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize(
    "content", [POINTER, "version git-lfs-spec-v1\noid sha256:abc\nsize 123\n", "/annex/objects/MD5-s3\n"]
)
def test_pointer_is_named_with_the_way_out(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(
        BadInputError, match=rf"student 's': .*{file} is only the pointer of a large-file store"
    ) as error:
        check_files(folder, whose="student 's'")
    assert "git lfs pull" in str(error.value)


def test_link_of_git_annex_without_its_content_is_a_pointer(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(".git/annex/objects/a")
    with pytest.raises(BadInputError, match=r"model.safetensors is only the pointer"):
        check_files(folder, whose="s")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"abc", "it has 3 bytes and no valid header"),
        (b"<html>not found</html>", "no valid header"),
        ((5).to_bytes(8, "little") + b"[1,2]", "no valid header"),
        ((BASE / "model.safetensors").read_bytes()[:-1000], "it has 1,185,784 bytes of 1,186,784"),
        ((BASE / "model.safetensors").read_bytes() + b"a", "it has 1,186,785 bytes of 1,186,784"),
    ],
)
def test_damaged_weights_are_named(folder: Path, content: bytes, said: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(BadInputError, match=rf"model.safetensors is damaged: .*{said}"):
        check_files(folder, whose="s")
    assert parameters_in(folder / "model.safetensors") >= 0, "a plan does not fail"


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"weight_map": {"a": PART.format(2)}}, "has model-00001-of-00002.safetensors, but not model-00002-of-00002"),
        ({"weight_map": {"a": "other.safetensors"}}, "it lists other.safetensors, which is not there"),
        ({"weight_map": {"a": "weights.safetensors"}}, "has the tensor a, which it has not"),
        ({}, "not an index of weights"),
    ],
)
def test_parts_that_do_not_belong_together_are_named(folder: Path, index: dict[str, object], said: str) -> None:
    (folder / "model.safetensors").rename(folder / (PART.format(1) if "but not" in said else "weights.safetensors"))
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadInputError, match=said):
        check_files(folder, whose="s")


def test_student_and_teacher_check_their_folder(folder: Path) -> None:
    (folder / "model.safetensors").write_text(POINTER)
    student = causal_student("mine", {"model": str(folder)}, session())
    with pytest.raises(BadInputError, match=r"student 'mine': .*pointer"):
        student.check_base()
    with pytest.raises(BadInputError, match=r"teacher 'mine': .*pointer"):
        hf_teacher("mine", {"model": str(folder)}, session()).check_ready()


MATRIX = """
name: pointer
source: twin
tasks: [multiarith]
methods: [zero-shot]
students: [{{name: s, use: hf-causal, model: {folder}}}]
recipe: {{max_new_tokens: 6}}
limit: 4
"""


def test_run_does_not_begin_with_a_pointer_and_config_of_another_size_is_named(cli: Cli, folder: Path) -> None:
    (cli.folder / "m.yaml").write_text(MATRIX.format(folder=folder))
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_text(POINTER)
    assert "is only the pointer" in cli("plan", "--matrix", "m.yaml").stdout
    assert "is only the pointer" in cli("run", "--matrix", "m.yaml", code=2).stderr
    assert not (cli.workspace / "store").exists()
    (folder / "model.safetensors").write_bytes(weights)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 192}))
    said = cli("run", "--matrix", "m.yaml", code=1).stderr
    assert "the sizes of its weights are not those that its config.json states" in said
