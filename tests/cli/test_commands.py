from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rtbench.cli.commands import COMMANDS
from rtbench.errors import UnknownNameError
from tests.helpers.cli import ROOT, Cli, MakeCli
from tests.helpers.matrices import BUILT_IN


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom rtbench.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stderr.split("\n")[-2].split()}


HEAVY = {"torch", "transformers", "lm_eval", "datasets", "numpy", "scipy", "pooch"}


def test_help_imports_no_plugin_and_nothing_heavy() -> None:
    loaded = modules_after("--help")
    assert "click" in loaded
    assert not loaded & {*HEAVY, "pluggy", "rich", "msgspec", "rtbench_plugins", "rtbench_tasks"}


def test_help_names_the_commands_that_plugins_declare(cli: Cli) -> None:
    said = cli("--help").stdout
    assert re.search(r"From plugins.*\n +claims, hub, pocket", said)
    registered = {name for plugin in cli.json("plugins") for name in plugin["provides"].get("commands", [])}
    assert registered - set(COMMANDS) == {"claims", "hub", "pocket", "tasks.export"}, "what is registered is declared"
    assert re.search(r"From plugins.*\n +export", cli("tasks", "--help").stdout)
    for name in ("claims", "hub", "pocket"):
        assert "Usage: rtbench" in cli(name, "--help").stdout


@pytest.mark.parametrize("command", [("tasks",), ("plugins",), ("data", "list"), ("tasks", "twin", "multiarith")])
def test_listings_import_nothing_heavy(command: tuple[str, ...]) -> None:
    loaded = modules_after(*command)
    assert "rtbench_plugins" in loaded
    assert not loaded & {*HEAVY, "rich"}


def test_planning_imports_no_torch(data_dir: Path, tmp_path: Path) -> None:
    loaded = modules_after(
        "plan", "--matrix", "quickstart", "--data-dir", str(data_dir), "--workspace", str(tmp_path / "w")
    )
    assert not loaded & {"torch", "transformers", "lm_eval"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: Cli, command: str) -> None:
    assert "Usage: rtbench" in cli(command, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rnu",), "Did you mean 'run'"),
        (("run", "--matrxi", "x"), "No such option"),
        (("plan", "--limit", "0", "--matrix", "quickstart"), "at least 1"),
        (("plan", "--degrees", "one"), "not an integer"),
        (("plan", "--tasks", ","), "list is empty"),
        (("run", "--matrix", "quickstart", "--workers", "0"), "at least 1"),
        (("run", "--matrix", "quickstart", "--name", "../x"), "letters, digits"),
        (("plan", "--data-dir", "nowhere"), "no such folder"),
        (("plan", "--variant", "kojma"), "Did you mean 'kojima'"),
        (("import", "x.jsonl", "--workspace", "/dev/null/x"), "Not a directory"),
        (("report",), "no run yet"),
        (("report", "--format", "marcdown"), "Available: "),
        (("show", "x"), "no run yet"),
        (("score", "missing.jsonl", "--task", "multiarith"), "no such file"),
        (("score", "missing.jsonl", "--task", "multiarit"), "Did you mean 'multiarith'"),
        (("import", "missing.jsonl"), "no such file"),
        (("tasks", "--task", "missing.yaml"), "no such file"),
        (("tasks", "twin", "multiart"), "Did you mean 'multiarith'"),
        (("tasks", "twin", "parity"), "the task has no twin"),
        (("tasks", "twin", "multiarith", "--knob", "step=3"), "Did you mean 'steps'"),
        (("tasks", "twin", "multiarith", "--knob", "steps=three"), "steps"),
        (("tasks", "twin", "multiarith", "--knob", "steps"), "--knob NAME=VALUE"),
        (("tasks", "twin", "multiarith", "--count", "0"), "--count"),
        (("plugins", "--plugin", "missing.py"), "no such file"),
        (("plugins", "-p", "parrot"), "-p no:NAME"),
        (("data", "list", "--tasks", "nope"), "Available: "),
    ],
)
def test_bad_input_is_one_clear_error(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = cli(*arguments, code=2)
    assert said in done.stderr
    assert not done.stdout
    assert not (cli.workspace / "runs").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ('{"question": "a", "completion": "b"\n', "line 1"),
        ('{"question": "a", "completion": "b"}\n{"question": 1}\n', "line 2"),
    ],
)
def test_bad_recording_is_one_clear_error_and_imports_nothing(cli: Cli, text: str, said: str) -> None:
    path = cli.folder / "m__k__multiarith.jsonl"
    path.write_text(text)
    for command in (("score", path), ("import", path)):
        assert said in cli(*command, code=2).stderr
    assert not (cli.workspace / "ledger").exists()


def test_workspace_of_a_matrix_without_data_stays_clean(cli: Cli) -> None:
    done = cli("run", "--matrix", "quickstart", "--offline", "--tasks", "multiarith", code=2)
    assert "no cell can run" in done.stderr
    assert "--data-dir" in done.stderr
    assert not cli.workspace.exists()


@pytest.mark.parametrize("command", [(), ("data",), ("hub",)])
def test_command_without_a_subcommand_shows_its_help(cli: Cli, command: tuple[str, ...]) -> None:
    said = cli(*command, code=2).stderr
    assert said.startswith(f"Usage: {' '.join(('rtbench', *command))} ")
    assert "--help" in said


def test_report_of_an_unknown_run_names_the_known_ones(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo, "--methods", "fine-tune", "--name", "mine")
    assert "Did you mean 'mine'" in cli("report", "mien", code=2).stderr


def test_show_lists_samples_with_verdicts(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    rows = json.loads(cli("show", "fine-tune-cot/counter/parrot/D4", "--limit", "100", "--format", "json").stdout)
    assert len(rows) == 20
    assert {"question", "completion", "extracted", "gold", "correct", "prompt"} <= set(rows[0])
    wrong = json.loads(
        cli("show", "fine-tune-cot/counter/parrot/D4", "--wrong", "--limit", "100", "--format", "json").stdout
    )
    assert [row for row in rows if not row["correct"]] == wrong
    text = cli("show", "fine-tune-cot/counter/parrot/D4", "--limit", "1").stdout
    assert "question:" in text
    assert "gold:" in text


def test_show_of_an_ambiguous_cell_names_the_candidates(cli: Cli, demo: Path) -> None:
    cli("run", "--matrix", demo)
    assert "2 cells match" in cli("show", "fine-tune-cot", code=2).stderr
    assert "unknown cell" in cli("show", "fine-tunes", code=2).stderr
    assert "Did you mean 'parity/fine-tune" in cli("show", "paritty/fine-tune", code=2).stderr


def test_score_prints_what_programs_need(cli: Cli, data_dir: Path) -> None:
    path = data_dir / "teacher" / "text-davinci-002__zs_cot__multiarith.jsonl.gz"
    found = cli.json("score", path, "--task", "multiarith", "--extractor", "kojima")
    assert found["n"] == 600  # type: ignore[index]
    assert found["correct"] == 472  # type: ignore[index]
    assert found["accuracy"] * 100 == 78.66666666666666  # type: ignore[index]
    assert isinstance(found["version"], int)  # type: ignore[index]


def test_import_counts_and_is_idempotent(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    path = data_dir / "teacher" / "gpt-4__fs_cot__multiarith.jsonl.gz"
    (first,) = cli.json("import", path)
    assert first["records"] == 596  # type: ignore[index]
    assert first["imported"] == {"multiarith": 596}  # type: ignore[index]
    assert first["unmatched"] == []  # type: ignore[index]
    (second,) = cli.json("import", path)
    assert second["imported"] == {"multiarith": 0}  # type: ignore[index]
    assert second["present"] == 596  # type: ignore[index]


def test_import_lists_what_matches_no_sample(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    path = cli.folder / "mine__zs__multiarith.jsonl"
    path.write_text('{"question": "Nobody asked this?", "completion": "4"}\n')
    (report,) = cli.json("import", path)
    assert report["imported"] == {}  # type: ignore[index]
    assert len(report["unmatched"]) == 1  # type: ignore[index]
    assert "line 1" in report["unmatched"][0]  # type: ignore[index]


def test_import_that_contradicts_the_ledger_writes_nothing(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    question = json.loads((data_dir / "datasets" / "multiarith.jsonl").read_text().splitlines()[0])["question"]
    good, bad = cli.folder / "m__k__multiarith.jsonl", cli.folder / "other__k__multiarith.jsonl"
    good.write_text(json.dumps({"question": question, "completion": "It is 4."}) + "\n")
    bad.write_text(json.dumps({"question": question, "completion": "It is 5."}) + "\n")
    said = cli("import", good, bad, "--model", "m", code=2).stderr
    assert "has another text in" in said
    assert good.name in said
    assert not (cli.workspace / "ledger").exists()
    cli("import", good)
    assert "with another text" in cli("import", bad, "--model", "m", code=2).stderr


def test_strangers_yaml_task_runs(cli: Cli) -> None:
    """A task in one YAML file over a JSON Lines file beside it."""
    (cli.folder / "mine.jsonl").write_text(
        "".join(
            json.dumps({"question": f"What is {a} + {b}?", "answer": str(a + b)}) + "\n"
            for a in range(6)
            for b in range(6)
        )
    )
    text = (ROOT / "docs" / "tasks.md").read_text()
    yaml = text.split("```yaml\n")[1].split("```")[0]
    path = cli.folder / "mine.yaml"
    path.write_text(yaml)
    names = [t["name"] for t in cli.json("tasks", "--task", path)]
    mine = next(name for name in names if name != "parity" and name not in BUILT_IN)
    listed = next(line.split() for line in cli("tasks", "--task", path).stdout.splitlines() if line.startswith(mine))
    assert "?" not in listed[:-1], "sizes that are not stated are counted"
    matrix = cli.folder / "m.yaml"
    matrix.write_text(f"name: m\ntasks: [{mine}]\nmethods: [fine-tune]\nstudents: [parrot]\nrecipe: {{epochs: 1}}\n")
    board = cli.json("run", "--task", path, "--matrix", matrix)
    row = next(r for r in board["rows"] if r["method"] == "fine-tune")  # type: ignore[index]
    assert row["results"][mine]["n"] > 0
    assert "gold:" in cli("show", f"{mine}/fine-tune").stdout, "the run remembers the file"
    path.rename(cli.folder / "moved.yaml")
    told = f"its task {mine!r} is unknown\nIf it is from a file, give the file again: --task FILE.yaml."
    assert told in cli("show", f"{mine}/fine-tune", code=2).stderr
    assert "gold:" in cli("show", f"{mine}/fine-tune", "--task", "moved.yaml").stdout


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("pokcet", ["pocket", "paper"], "pocket"),
        ("full", ["pocket-full", "paper"], "pocket-full"),
        ("GSM8K", ["gsm8k", "svamp"], "gsm8k"),
        ("gpt-4", ["GPT-4", "t5"], "GPT-4"),
        ("mulitarith/fine-tune", ["aqua/fine-tune/seed0", "multiarith/fine-tune/seed0"], "multiarith/fine-tune/seed0"),
        ("p", ["pocket", "paper"], None),
        ("nothing", ["pocket", "paper"], None),
    ],
)
def test_unknown_name_comes_with_the_nearest(name: str, known: list[str], near: str | None) -> None:
    said = str(UnknownNameError.of("run", name, known))
    assert (f"Did you mean {near!r}?" in said) if near else ("Did you mean" not in said)


def test_workspace_that_cannot_be_written_is_one_clear_error(cli: Cli, demo: Path) -> None:
    said = cli("run", "--matrix", demo, "--workspace", "/dev/null", code=2).stderr
    assert "/dev/null" in said


def test_gold_answers_of_the_wrong_type_are_an_error(cli: Cli) -> None:
    (cli.folder / "mine.jsonl").write_text('{"question": "How many?", "answer": "many"}\n' * 10)
    text = (ROOT / "docs" / "tasks.md").read_text()
    (cli.folder / "mine.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    (cli.folder / "m.yaml").write_text("name: m\ntasks: [mine]\nmethods: [fine-tune]\nstudents: [parrot]\n")
    said = cli("run", "--task", "mine.yaml", "--matrix", "m.yaml", code=2).stderr
    assert "the gold answer 'many' is not of type number" in said


def test_the_twelve_tasks_have_the_papers_names(make_cli: MakeCli) -> None:
    assert {t["name"] for t in make_cli(site=None).json("tasks")} == BUILT_IN


def twin_lines(cli: Cli, *options: object) -> list[dict[str, Any]]:
    out = cli("tasks", "twin", "multiarith", "--format", "jsonl", *options).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_twins_questions_are_printed_and_exported(cli: Cli) -> None:
    found = twin_lines(cli, "--count", 5, "--seed", 3)
    assert len({one["question"] for one in found}) == 5
    assert all(set(one) == {"question", "answer", "choices", "pattern"} for one in found)
    assert found == twin_lines(cli, "--count", 5, "--seed", 3)
    assert found != twin_lines(cli, "--count", 5, "--seed", 4)
    longer = twin_lines(cli, "--count", 5, "--knob", "steps=4", "--rationales")
    assert all(sum(one["pattern"].count(op) for op in "+-*/") == 4 for one in longer)
    assert all(one["rationale"] for one in longer)
    text = cli("tasks", "twin", "multiarith", "--count", 5, "--seed", 3).stdout
    assert [line for line in text.splitlines() if line.startswith("Q: ")] == [f"Q: {one['question']}" for one in found]
    cli("tasks", "twin", "multiarith", "--count", 5, "--seed", 3, "--format", "jsonl", "--out", "q.jsonl")
    assert [json.loads(line) for line in (cli.folder / "q.jsonl").read_text().splitlines()] == found


def test_any_teachers_answers_to_a_twins_questions_can_be_scored(cli: Cli) -> None:
    """The exported golds go with the completions, so that no data are needed."""
    lines = twin_lines(cli, "--count", 20, "--rationales")
    (cli.folder / "m__k__multiarith.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "question": one["question"],
                    "answer": one["answer"],
                    "completion": f"{one['rationale']} The answer is {one['answer'] if i % 2 else -1}.",
                }
            )
            + "\n"
            for i, one in enumerate(lines)
        )
    )
    found: Any = cli.json("score", "m__k__multiarith.jsonl", "--offline")
    assert (found["n"], found["accuracy"], found["gold"]) == (20, 0.5, "file")


def test_answers_without_golds_are_matched_in_a_twins_data(cli: Cli) -> None:
    from rtbench_tasks.multiarith.twin import MultiarithTwin

    drawn = MultiarithTwin().draw_folds(0)["test"][:4]
    (cli.folder / "m__k__multiarith.jsonl").write_text(
        "".join(json.dumps({"question": p.question, "completion": f"The answer is {p.answer}."}) + "\n" for p in drawn)
    )
    found: Any = cli.json("score", "m__k__multiarith.jsonl", "--variant", "twin-0", "--offline")
    assert (found["n"], found["accuracy"], found["gold"]) == (4, 1.0, "data")


def test_strangers_twin_of_the_guide_is_whole(cli: Cli) -> None:
    """The twin in docs/tasks.md, loaded as a plugin file, is drawn from, taught by the scripted teacher and learnt."""
    text = (ROOT / "docs" / "tasks.md").read_text()
    (cli.folder / "my_twins.py").write_text(text.split("```python\n")[1].split("```")[0])
    yaml = text.split("```yaml\n")[1].split("```")[0].rstrip()
    (cli.folder / "mine.yaml").write_text(f"{yaml}\n    twin: my_twins:Sums\n")
    own = ("--task", "mine.yaml", "--plugin", "my_twins.py")
    drawn = cli("tasks", "twin", "mine", "--harder", "--rationales", "--format", "jsonl", *own).stdout.splitlines()
    assert all(json.loads(line)["question"].count("+") == 2 for line in drawn)
    (cli.folder / "m.yaml").write_text(
        "name: m\nsource: twin\ntasks: [mine]\nmethods: [fine-tune-cot]\nteachers: [scripted-perfect]\n"
        "students: [parrot]\nlimit: 20\nrecipe: {epochs: 1}\n"
    )
    board: Any = cli.json("run", "--matrix", "m.yaml", *own)
    found = {row["method"]: row["results"]["mine"] for row in board["rows"]}
    assert found["teacher"]["accuracy"] == 1.0
    assert found["fine-tune-cot"]["curation"]["kept"] == 20


def test_doctor_reads_requirements_from_the_distribution() -> None:
    import tomllib

    from packaging.requirements import Requirement

    from rtbench.cli.doctor import requirements

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required, extras = requirements()
    assert required == [Requirement(text).name for text in project["dependencies"]]
    declared = project["optional-dependencies"]
    assert extras == {name: [Requirement(text).name for text in texts] for name, texts in declared.items()}
