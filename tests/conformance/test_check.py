"""``rtbench check``: what keeps its contract passes, and each way to break it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rtbench.conformance.suite import Stated
from rtbench.errors import PluginError, UnknownNameError
from rtbench.scaffold.files import KINDS
from tests.conformance.conftest import checked, failures
from tests.helpers.cli import PARROT, MakeCli

Made = Callable[[str], Path]


@pytest.mark.parametrize("kind", KINDS)
def test_new_plugins_keep_their_contract(made: Made, kind: str) -> None:
    results = checked(made(kind))
    assert not failures(results)
    assert sum(result.state == "passed" for result in results) >= 3


def test_a_strangers_plugin_is_tried_on_its_own_task() -> None:
    results = checked(PARROT / "rtbench_parrot.py")
    assert not failures(results)
    assert {result.kind for result in results} == {"plugin", "task", "teacher", "student", "reporter"}


BROKEN = [
    # kind, text in the new file, its replacement, what the failed check says
    ("teacher", "request.seed % 10", "__import__('random').random()", "with request.seed"),
    ("teacher", "for request in requests:", "for request in requests[1:]:", "a request is not answered: sample 0"),
    ("teacher", "yield completion_of(request,", "yield completion_of(requests[0],", "answered twice"),
    ("teacher", 'convert(options, Options, where=f"teacher {name}")', "Options()", "an unknown option is ignored"),
    ("teacher", 'fingerprint = f"my-teacher-1-{self.parsed.greeting}"', "fingerprint = str(id(self))", "fingerprint changes"),
    ("teacher", "from rtbench.api", "import pandas\nfrom rtbench.api", "loading it imports pandas"),
    ("teacher", "Q: {question}\\nA", "Q:\\nA", "has no {question}"),
    ("teacher", 'plugin="my-teacher"', 'plugin="other"', "under which nothing is registered"),
    ("student", '"checkpoint", *kept', '"weights", *kept', "wrote no folder `checkpoint`"),
    ("student", '["checkpoint", *kept]', '["checkpoint"]', "`epoch-n` is missing"),
    ("student", "labels.json", "labels.pkl", "can contain code"),
    ("student", "row.label for row in rows}", "row.label + str(id(job)) for row in rows}", "give other texts"),
    ("student", "rows=len(rows),", "rows=0,", "the report has 0 rows"),
    ("student", "return Model(fingerprint,", 'return Model("other",', "with the fingerprint that it is given"),
    ("method", 'name = "my-method"', 'name = "other"', "registered as 'my-method'"),
    ("method", "uses_teacher = uses_degree = trains = True", "uses_teacher = uses_degree = True", "`trains` is False"),
    ("method", "uses_teacher = uses_degree = trains = True", "uses_degree = trains = True", "does not set `uses_teacher`"),
    ("method", "return build.test(", "return build.train(cell, FORMAT, examples) or build.test(", "steps() returned a `train` step, not a `score` step"),
    ("method", "return build.test(", "build.test(", "steps() returned None, not a `score` step"),
    ("curator", "return [one for one in candidates", "return [candidates[0]] + [one for one in candidates", "list index"),
    ("curator", 'convert(options, Options, where="curator my-curator").words', "50", "an unknown option is ignored"),
    ("curator", "if len(", "if __import__('random').random() < .5 and len(", "another selection"),
    ("reporter", "shown_in_line(line) for line", "line for line", "control character"),
    ("reporter", 'return "\\n".join', 'return 1 and "" and "".join', "returned no text"),
    ("claim", 'name = "more"', 'name = ""', "has no name"),
    ("claim", "pairs = match_cells", "pairs = 1 / 0 and match_cells", "ZeroDivisionError"),
    ("claim", 'ClaimSet("my-claim"', 'ClaimSet("other"', "registered as 'my-claim'"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "broken", "said"), BROKEN, ids=[f"{b[0]}-{b[3]}"[:40] for b in BROKEN])
def test_a_broken_contract_is_named(made: Made, kind: str, text: str, broken: str, said: str) -> None:
    path = made(kind)
    written = path.read_text()
    assert text in written
    path.write_text(written.replace(text, broken))
    assert said in failures(checked(path))


def test_summary_is_demanded(made: Made) -> None:
    path = made("curator")
    path.write_text(path.read_text().replace(', summary="keeps rationales up to a number of words"', ""))
    assert "has no summary" in failures(checked(path))


TASKS = [
    ("answer_type: number", "answer_type: choice", "gold"),
    ("files: [{name:", "train_size: 3\n    files: [{name:", "info.train_size is 3"),
]


@pytest.mark.parametrize(("text", "broken", "said"), TASKS)
def test_a_broken_task_is_named(made: Made, text: str, broken: str, said: str) -> None:
    path = made("task")
    path.write_text(path.read_text().replace(text, broken))
    assert said in failures(checked(path))


def test_options_of_a_model_are_stated(made: Made) -> None:
    stated = Stated(teachers=[{"name": "shy", "use": "my-teacher", "greeting": "Hm."}], kinds=["teachers"])
    results = checked(made("teacher"), stated)
    assert {(result.kind, result.name) for result in results} == {("teacher", "shy")}
    assert not failures(results)


def test_unknown_targets_and_kinds_are_errors(made: Made) -> None:
    with pytest.raises(UnknownNameError, match="unknown plugin 'multiarit'.*\n.*Did you mean 'multiarith'"):
        checked("multiarit")
    with pytest.raises(UnknownNameError, match="unknown kind 'teacher'"):
        checked(made("teacher"), Stated(kinds=["teacher"]))


def test_plugin_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nowhere_to_be_found")
    with pytest.raises(PluginError, match="nowhere_to_be_found"):
        checked(tmp_path / "bad.py")


def test_command_prints_each_check_and_fails(make_cli: MakeCli) -> None:
    cli = make_cli(site=None)
    cli("new", "curator", "brief")
    done = cli("check", "brief.py")
    assert "curator brief\n  ok       Refuses options that it does not know, by name" in done.stdout
    assert done.stdout.endswith("0 failed, 1 skipped\n")
    (cli.folder / "brief.py").write_text((cli.folder / "brief.py").read_text().replace("<= self.words", "<= self.word"))
    failed = cli("check", "brief.py", code=1)
    assert "  FAILED   Keeps only candidates" in failed.stdout
    assert "AttributeError: 'Brief' object has no attribute 'word'" in failed.stdout
    assert {row["state"] for row in cli.json("check", "brief.py", code=1)} == {"passed", "failed", "skipped"}
    assert not cli.workspace.exists()


def test_two_answers_to_one_question_are_named(made: Made) -> None:
    path = made("task")
    table = path.with_suffix(".jsonl")
    first = table.read_text().splitlines()[0]
    table.write_text(table.read_text() + first.replace('"answer": "6"', '"answer": "7"') + "\n")
    assert "are the same question, but their gold answers are '6' and '7'" in failures(checked(path))


@pytest.mark.parametrize("name", [{}, {"name": "brief"}])
def test_options_of_a_curator_are_stated(made: Made, name: dict[str, str]) -> None:
    stated = Stated(curators=[{"use": "my-curator", "words": 3, **name}], kinds=["curators"])
    assert not failures(checked(made("curator"), stated))


def test_one_fault_is_said_once(made: Made) -> None:
    path = made("task")
    table = path.with_suffix(".jsonl")
    table.write_text(table.read_text().replace('"answer"', '"answr"'))
    results = checked(path)
    (said,) = [result for result in results if "the record has no field 'answer'" in result.message]
    failed = [result.message for result in results if result.state == "failed"]
    assert set(failed) == {said.message, "the same error as above"}
    assert failed[0] == said.message
