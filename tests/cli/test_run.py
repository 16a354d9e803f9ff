from __future__ import annotations

import csv
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli, MakeCli, undated
from tests.helpers.runs import LONG, assert_ends, held, ledger, plan_states, progress_in, rewrite, slow, store, wait_for


def test_run_does_exactly_what_the_plan_said(cli: Cli, demo: Path) -> None:
    planned = plan_states(cli, "--matrix", demo)
    assert set(planned.values()) == {"to do"}
    cli("run", "--matrix", demo)
    done = {path.parent.name for path in (cli.workspace / "store").glob("*/*/meta.json")}
    assert done == set(planned)
    assert set(plan_states(cli, "--matrix", demo).values()) == {"cached"}


def test_second_run_does_nothing_but_report(cli: Cli, demo: Path) -> None:
    first = cli("run", "--matrix", demo, "--format", "json")
    before = {path: path.stat().st_mtime_ns for path in (cli.workspace / "store").rglob("*")}
    segments = ledger(cli.workspace)
    second = cli("run", "--matrix", demo, "--format", "json")
    assert undated(second.stdout) == undated(first.stdout)
    assert "done" not in second.stderr
    assert {path: path.stat().st_mtime_ns for path in (cli.workspace / "store").rglob("*")} == before
    assert ledger(cli.workspace) == segments


def test_one_teacher_run_serves_all_students_and_seeds(cli: Cli) -> None:
    path = cli.folder / "m.yaml"
    path.write_text(
        DEMO.replace("students: [parrot]", "students: [parrot, {name: other, use: parrot, accent: broad}]").replace(
            "degrees: [1, 4]", "degrees: [1, 4]\nseeds: [0, 1]\nteacher_rows: false"
        )
    )
    found = cli.json("plan", "--matrix", path, "--methods", "fine-tune-cot")
    asked = [s for s in found["steps"] if s["kind"] == "complete" and "train" in s["title"].split(":")[1]]  # type: ignore[index]
    assert len(asked) == 2, "one for each degree, whatever the students and seeds"
    assert len(found["cells"]) == 8  # type: ignore[index]


def test_seeds_draw_rationales_of_their_own_where_the_matrix_says_so(cli: Cli, demo: Path) -> None:
    demo.write_text(DEMO + "seeds: [0, 1]\nteacher_draws: per-seed\n")
    found: Any = cli.json("plan", "--matrix", demo, "--methods", "fine-tune-cot", "--degrees", "4")
    asked = [s for s in found["steps"] if s["kind"] == "complete" and "train" in s["title"].split(":")[1]]
    assert len(asked) == 2


def test_raising_the_degree_asks_for_the_rest_only(cli: Cli, demo: Path) -> None:
    options = ("--matrix", demo, "--methods", "fine-tune-cot")
    cli("run", *options, "--degrees", "4")
    found = cli.json("plan", *options, "--degrees", "16")
    estimates = [s["estimate"] for s in found["steps"] if s["estimate"] and s["estimate"].get("requests") == 640]  # type: ignore[index]
    assert [e["work"] for e in estimates] == [480]
    before = len(ledger(cli.workspace))
    cli("run", *options, "--degrees", "16")
    assert len(ledger(cli.workspace)) - before == 480 + 20


TWO_STAGES = """
from rtbench.api import hookimpl
from rtbench.api import PromptFormat, Teacher, Template, TextModel
from rtbench.api import Completion, ModelSpec

class Model(TextModel):
    fingerprint = "two"
    def generate(self, requests):
        for request in requests:
            text = "no" if "So" in request.prompt else f"Draw {request.completion_index % 3} says so."
            yield Completion(key=request.key, task=request.task, sample_index=request.sample_index,
                             completion_index=request.completion_index, prompt=request.prompt, text=text)

class Two(Teacher):
    template = Template(input="{question}", answer_input="{prompt} {reasoning} So,")
    format = PromptFormat(name="two", decoder=template, encoder_decoder=template)
    def __init__(self, name, options, services):
        self.name = name
    def members(self):
        return [ModelSpec(role="teacher", plugin="two", name="two", options={}, fingerprint="two")]
    def open(self, member):
        return Model()

@hookimpl
def rtbench_register_teachers(register):
    register("two", Two)
"""


@pytest.mark.parametrize("teacher", ["counter", "two"])
def test_plan_counts_once_what_degrees_and_parts_share(cli: Cli, demo: Path, teacher: str) -> None:
    """What is planned before anything is asked is what the run asks; and so again when the ledger holds some of it."""
    plugin = cli.folder / "two.py"
    plugin.write_text(TWO_STAGES)
    demo.write_text(DEMO.replace("[counter]", f"[{teacher}]") + "fractions: [0.5, 1.0]\n")
    for degrees in ("4,8", "2,16"):
        options = ("--plugin", plugin, "--matrix", demo, "--methods", "fine-tune-cot", "--degrees", degrees)
        found: Any = cli.json("plan", *options)
        planned = sum(s["estimate"]["work"] for s in found["steps"] if s["kind"] == "complete" and s["estimate"])
        before = len(ledger(cli.workspace))
        cli("run", *options)
        assert planned == len(ledger(cli.workspace)) - before


def test_identical_draws_are_reported(cli: Cli, demo: Path) -> None:
    """The counter says the same whatever its seed is."""
    done = cli("run", "--matrix", demo, "--methods", "fine-tune-cot", "--degrees", "4")
    assert "warning: complete parity/counter: train count T0.7 ×4: all 4 completions are identical" in done.stderr
    assert done.stderr.count("seems to ignore seed or temperature") == 1


def test_more_epochs_ask_the_teacher_nothing(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    found = cli.json("plan", "--matrix", demo, "--epochs", "3")
    assert {s["kind"] for s in found["steps"] if s["state"] == "to do"} == {"train", "complete", "score"}  # type: ignore[index]
    new = [s for s in found["steps"] if s["kind"] == "complete" and s["state"] == "to do"]  # type: ignore[index]
    assert all("test" in s["title"] for s in new)


BROKEN = """
from rtbench.api import hookimpl
from rtbench.api import Teacher, PromptFormat, Template, TextModel
from rtbench.api import Completion, ModelSpec

class Model(TextModel):
    fingerprint = "fails"
    def generate(self, requests):
        for request in requests[:7]:
            yield Completion(key=request.key, task=request.task, sample_index=request.sample_index,
                             completion_index=request.completion_index, prompt=request.prompt, text="no")
        raise ConnectionError("the line went dead")

class Fails(Teacher):
    format = PromptFormat(name="f", decoder=Template(input="{question}"), encoder_decoder=Template(input="{question}"))
    def __init__(self, name, options, services):
        self.name = name
    def members(self):
        return [ModelSpec(role="teacher", plugin="fails", name="fails", options={}, fingerprint="fails")]
    def open(self, member):
        return Model()

@hookimpl
def rtbench_register_teachers(register):
    register("fails", Fails)
"""


def test_failed_step_fails_its_dependants_and_nothing_else(cli: Cli) -> None:
    plugin = cli.folder / "broken.py"
    plugin.write_text(BROKEN)
    path = cli.folder / "m.yaml"
    path.write_text(DEMO.replace("[counter]", "[counter, fails]").replace("[1, 4]", "[1]"))
    done = cli("run", "--plugin", plugin, "--matrix", path, "--format", "json", code=1)
    assert "ConnectionError: the line went dead" in done.stderr
    rows = {(row["method"], row.get("teacher")): row["results"]["parity"] for row in json.loads(done.stdout)["rows"]}
    assert "accuracy" not in rows["fine-tune-cot", "fails"]
    assert "the line went dead" in rows["fine-tune-cot", "fails"]["reason"]
    assert rows["fine-tune-cot", "counter"]["n"] == 20
    assert rows["fine-tune", None]["n"] == 20
    kept = [line for line in ledger(cli.workspace) if '"text":"no"' in line]
    assert len(kept) == 14, "what a failing step had finished is kept: 7 of the training and 7 of the test fold"


def test_worker_that_dies_fails_its_step_only(cli: Cli) -> None:
    plugin = cli.folder / "broken.py"
    plugin.write_text(
        BROKEN.replace('raise ConnectionError("the line went dead")', "import os; os.kill(os.getpid(), 9)")
    )
    path = cli.folder / "m.yaml"
    path.write_text(DEMO.replace("[counter]", "[counter, fails]").replace("[1, 4]", "[1]"))
    done = cli("run", "--plugin", plugin, "--matrix", path, "--format", "json", code=1)
    assert "killed by signal 9" in done.stderr
    rows = {(row["method"], row.get("teacher")): row["results"]["parity"] for row in json.loads(done.stdout)["rows"]}
    assert rows["fine-tune-cot", "counter"]["n"] == 20


def test_idle_worker_that_dies_costs_nothing(cli: Cli, demo: Path) -> None:
    """A plugin kills the idle worker while the other one is busy; its later steps go to a new worker."""
    plugin = cli.folder / "killer.py"
    plugin.write_text(
        "import multiprocessing, os\nfrom rtbench.api import hookimpl\n"
        "@hookimpl\ndef rtbench_step_finished(step, state):\n"
        "    if step.kind == 'train':\n"
        "        for child in multiprocessing.active_children():\n"
        "            os.kill(child.pid, 9)\n"
        "            child.join()\n"
    )
    board: Any = cli.json("run", "--plugin", plugin, "--matrix", demo, "--methods", "fine-tune", "--workers", "1")
    assert next(row for row in board["rows"] if row["method"] == "fine-tune")["results"]["parity"]["n"] == 20


def test_tracker_that_is_down_does_not_stop_a_run(cli: Cli, demo: Path) -> None:
    plugin = cli.folder / "tracker.py"
    plugin.write_text(
        "from rtbench.api import hookimpl\n@hookimpl\ndef rtbench_step_started(step): raise OSError('tracker down')\n"
    )
    done = cli("run", "--plugin", plugin, "--matrix", demo, "--methods", "fine-tune")
    assert done.stderr.count("tracker down") == 1
    assert "-p no:tracker" in done.stderr


def test_ctrl_c_stops_cleanly_and_keeps_what_is_done(cli: Cli, demo: Path) -> None:
    process = held(cli, "complete", after=5).start("run", "--matrix", demo)
    wait_for(lambda: len(ledger(cli.workspace)) >= 5, process)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 130
    assert "Run the same command again to continue" in err
    assert "Traceback" not in err
    assert "stopped before it was done" in out
    assert len(ledger(cli.workspace)) >= 5
    assert_ends(process.pid)


def test_steps_that_run_at_once_ask_for_what_they_share_once(cli: Cli, demo: Path) -> None:
    demo.write_text(DEMO + "fractions: [0.5, 1.0]\n")
    slow(cli, teacher=0.005)(
        "run", "--matrix", demo, "--methods", "fine-tune-cot", "--degrees", "4,8", "--workers", "2"
    )
    asked = [json.loads(line)["key"] for line in ledger(cli.workspace)]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("what", ["complete", "train"])
@pytest.mark.parametrize("whom", ["main", "all"])
def test_kill_9_loses_nothing_that_was_finished(make_cli: MakeCli, demo: Path, what: str, whom: str) -> None:
    """Killed in the middle and run again: ledger, store and leaderboard equal an undisturbed run's."""
    undisturbed, killed = make_cli("undisturbed"), make_cli("killed")
    expected = undisturbed("run", "--matrix", demo, "--format", "json").stdout
    process = held(killed, what).start("run", "--matrix", demo)
    wait_for(lambda: progress_in(killed, what) >= (10 if what == "complete" else 1), process)
    if whom == "main":
        os.kill(process.pid, signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LONG)
    assert_ends(process.pid)
    before = set(ledger(killed.workspace))
    again = killed("run", "--matrix", demo, "--format", "json").stdout
    assert before <= set(ledger(killed.workspace))
    assert len(ledger(killed.workspace)) == len(set(ledger(killed.workspace))), "asked twice"
    assert ledger(killed.workspace) == ledger(undisturbed.workspace)
    assert store(killed.workspace) == store(undisturbed.workspace)
    assert undated(again) == undated(expected)
    assert not list((killed.workspace / "store" / ".work").glob("*/"))


BROKEN_DISK = """
import errno
import os
from pathlib import Path

real, broken = os.fsync, Path(__file__).with_name("broken")


def fsync(descriptor):
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    if "/ledger/" in path and path.endswith(".jsonl") and not broken.exists():
        broken.touch()
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    real(descriptor)


os.fsync = fsync
"""


def test_full_disk_is_reported_and_the_run_resumes_later(cli: Cli, demo: Path) -> None:
    (cli.folder / "disk.py").write_text(BROKEN_DISK)
    said = cli("run", "--plugin", "disk.py", "--matrix", demo, "--methods", "fine-tune", code=1).stderr
    assert "not all completions could be written to disk (Input/output error)" in said
    assert "run again to continue" in said
    cli("run", "--plugin", "disk.py", "--matrix", demo, "--methods", "fine-tune")


def test_report_is_written_whole_or_not_at_all(cli: Cli, demo: Path) -> None:
    """The report is killed between the writing and the renaming of its file."""
    plugin = cli.folder / "slow.py"
    plugin.write_text(
        "import os, time\nfrom pathlib import Path\nfrom rtbench.api import hookimpl\n"
        "real = os.replace\n"
        "def replace(source, target):\n"
        "    if str(target).endswith('board.csv'): Path('written').touch(); time.sleep(3600)\n"
        "    real(source, target)\n"
        "os.replace = replace\n"
    )
    cli("run", "--matrix", demo)
    cli("report", "--format", "csv", "--out", "board.csv")
    before = (cli.folder / "board.csv").read_bytes()
    process = cli.start("report", "--plugin", plugin, "--format", "md", "--out", "board.csv")
    wait_for((cli.folder / "written").exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LONG)
    assert (cli.folder / "board.csv").read_bytes() == before


def test_kill_9_in_the_middle_of_the_report(cli: Cli, demo: Path) -> None:
    plugin = cli.folder / "slow.py"
    plugin.write_text(
        "import time\nfrom pathlib import Path\nfrom rtbench.api import hookimpl\n"
        "from rtbench_plugins.reporters.tables import CsvReporter\n"
        "class Slow(CsvReporter):\n    name = 'slow'\n    def render(self, board):\n"
        "        text = super().render(board); Path('rendering').touch(); time.sleep(3600); return text\n"
        "@hookimpl\ndef rtbench_register_reporters(register): register('slow', Slow)\n"
    )
    cli("run", "--matrix", demo)
    cli("report", "--format", "csv", "--out", "board.csv")
    before = ((cli.folder / "board.csv").read_bytes(), ledger(cli.workspace), store(cli.workspace))
    process = cli.start("report", "--plugin", plugin, "--format", "slow", "--out", "board.csv")
    wait_for((cli.folder / "rendering").exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LONG)
    assert ((cli.folder / "board.csv").read_bytes(), ledger(cli.workspace), store(cli.workspace)) == before
    cli("report", "--format", "csv", "--out", "board.csv")
    assert (cli.folder / "board.csv").read_bytes() == before[0]


def test_deleting_the_report_loses_nothing(cli: Cli, demo: Path) -> None:
    first = cli("run", "--matrix", demo, "--format", "csv").stdout
    for path in (cli.workspace / "runs").glob("*"):
        path.unlink()
    assert cli("run", "--matrix", demo, "--format", "csv").stdout == first


def test_best_test_selection_scores_every_epoch_and_is_labelled(cli: Cli, demo: Path) -> None:
    options = ("--matrix", demo, "--methods", "fine-tune", "--epochs", "3", "--selection", "best-test")
    found = cli.json("plan", *options)
    assert sum(s["kind"] == "complete" for s in found["steps"]) == 3  # type: ignore[index]
    text = cli("run", *options, "--format", "md").stdout
    assert "| fine-tune | parrot | – | – | best-test |" in text
    assert "it overstates accuracy" in text


def test_trial_run_does_not_take_the_whole_runs_place(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    cli("run", "--matrix", demo, "--limit", "5")
    names = {path.stem for path in (cli.workspace / "runs").glob("*.json")}
    assert "demo" in names
    assert len(names) == 2
    text = cli("report", "demo", "--format", "csv").stdout
    assert ",20," in text


def test_self_consistency_takes_the_majority(cli: Cli, demo: Path) -> None:
    found = json.loads(cli("run", "--matrix", demo, "--methods", "self-consistency", "--format", "json").stdout)
    row = next(row for row in found["rows"] if row["method"] == "self-consistency")
    assert row["results"]["parity"]["n"] == 20
    votes = next((cli.workspace / "store" / "score").glob("*/votes-last-word.jsonl"))
    assert len(votes.read_text().splitlines()) == 160


def test_other_metrics_are_means_over_seeds(cli: Cli, demo: Path) -> None:
    options = ("--matrix", demo, "--methods", "self-consistency", "--seeds", "0,1")
    board = json.loads(cli("run", *options, "--format", "json").stdout)
    row = next(row for row in board["rows"] if (row["method"], row.get("student")) == ("self-consistency", "parrot"))
    result = row["results"]["parity"]
    metrics = result["metrics"]
    cells = json.loads(next((cli.workspace / "runs").glob("*.json")).read_text())["cells"]
    scores = [cli.workspace / "store" / "score" / one["score"] for one in cells if one["name"] in result["cells"]]
    drawn = [[json.loads(line) for line in (at / "votes-last-word.jsonl").read_text().splitlines()] for at in scores]
    assert len(drawn) == 2
    assert [at["k"] for at in metrics["at_k"]] == [1, 2, 4, 8]
    for share, value in (("pass_at_k", metrics["at_k"][0]), ("maj_at_k", metrics["at_k"][0])):
        each = [sum(one["correct"] for one in votes) / len(votes) for votes in drawn]
        assert value[share] == pytest.approx(sum(each) / 2), "k=1 is the accuracy of single completions"
    solved = [len({one["sample_index"] for one in votes if one["correct"]}) / 20 for votes in drawn]
    assert metrics["at_k"][-1]["pass_at_k"] == pytest.approx(sum(solved) / 2), "k=all: any of them is right"
    assert metrics["rationale_words"] > 0
    lines = list(csv.DictReader(io.StringIO(cli("report", "--format", "csv").stdout)))
    line = next(
        one for one in lines if (one["method"], one["student"], one["task"]) == ("self-consistency", "parrot", "parity")
    )
    assert (line["k"], float(line["pass_at_k"])) == ("8", metrics["at_k"][-1]["pass_at_k"])
    assert all(float(line[name]) == metrics[name] for name in ("contains_answer", "correct_format", "complete"))
    assert f"k=8 {100 * metrics['at_k'][-1]['pass_at_k']:.1f} and" in cli("report", "--format", "md").stdout


def test_scores_of_before_there_were_other_metrics_are_still_shown(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "self-consistency")
    shown = cli("report", "--format", "table").stdout
    assert "several completions" in shown
    for path in (cli.workspace / "store" / "score").glob("*/meta.json"):
        meta = json.loads(path.read_text())
        del meta["result"]["rationale_words"]
        for one in meta["result"]["summaries"]:
            one.pop("at_k", None)
        rewrite(path, meta)
    kept = [line for line in shown.splitlines() if "several completions" not in line]
    assert cli("report", "--format", "table").stdout.splitlines() == kept
    cli("report", "--html", "site")
    pages = [path.read_text() for path in (cli.folder / "site" / "cells").glob("*.html")]
    assert pages
    assert not any("pass@k" in page or "words on average" in page for page in pages)
