"""Teachers and students of a matrix, exchanged on the command line."""

from __future__ import annotations

from typing import Any

import click
import pytest

from rtbench.cli.parsing import model_entries
from rtbench.errors import BadInputError
from tests.helpers.cli import DEMO, Cli, MakeCli


def parsed(*texts: str) -> list[dict[str, Any]] | None:
    option = click.Option(["--teacher"], multiple=True)
    return model_entries(click.Context(click.Command("plan")), option, texts)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("name=a,use=openai,model=m", {"name": "a", "use": "openai", "model": "m"}),
        ("use=openai,model=org/some-model", {"name": "some-model", "use": "openai", "model": "org/some-model"}),
        ("use=scripted", {"name": "scripted", "use": "scripted"}),
        ("scripted", {"name": "scripted"}),
        ("name=a,max_new_tokens=[512, 32],thinking=null", {"name": "a", "max_new_tokens": [512, 32], "thinking": None}),
        ("name=a,price.input=0.4,price.output=1.6", {"name": "a", "price": {"input": 0.4, "output": 1.6}}),
        ("name=a,base_url=http://h:1/v1?a=b,c", {"name": "a", "base_url": "http://h:1/v1?a=b,c"}),
    ],
)
def test_model_is_read_from_keys_and_values(text: str, entry: dict[str, Any]) -> None:
    assert parsed(text) == [entry]


def test_option_that_is_not_used_replaces_nothing() -> None:
    assert parsed() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=x", "is not of the form KEY=VALUE"),
        ("na me=x", "is not of the form KEY=VALUE"),
        ("price=1,price.input=2", "'price' is both a value and a mapping"),
    ],
)
def test_what_is_no_model_is_one_error(text: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as error:
        parsed(text)
    assert error.value.where == f"--teacher {text}"


def test_teacher_and_student_replace_those_of_the_matrix(cli: Cli) -> None:
    (cli.folder / "m.yaml").write_text(DEMO)
    arguments = ("--matrix", "m.yaml", "--teacher", "name=other,use=counter,errors=1", "--student", "name=s,use=parrot")
    plan = cli.json("plan", *arguments)
    assert isinstance(plan, dict)
    names = {cell["cell"] if "cell" in cell else cell["name"] for cell in plan["cells"]}
    assert {name.split("/")[2] for name in names if "/fine-tune-cot/" in name} == {"other"}
    assert {name.split("/")[-2 if "fine-tune-cot" not in name else 3] for name in names if "/teacher/" not in name} == {
        "s"
    }


def test_replacing_what_the_matrix_has_not_is_an_error(cli: Cli) -> None:
    text = DEMO.replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "methods: [zero-shot]")
    (cli.folder / "m.yaml").write_text(text.replace("teachers: [counter]\n", ""))
    done = cli("plan", "--matrix", "m.yaml", "--teacher", "counter", code=2)
    assert "it has no teachers to replace" in done.stderr


def test_built_in_matrix_can_be_copied(cli: Cli) -> None:
    (cli.folder / "mine.yaml").write_text(cli("matrices", "show", "quickstart").stdout)
    assert "name: quickstart" in (cli.folder / "mine.yaml").read_text()
    listed = cli.json("matrices", "list")
    assert isinstance(listed, list)
    assert {"paper", "quickstart"} <= {one["name"] for one in listed}
    assert "unknown matrix 'quikstart'" in cli("matrices", "show", "quikstart", code=2).stderr


def test_block_has_its_own_wording_and_teacher_rows(make_cli: MakeCli, data_dir: object) -> None:
    cli = make_cli(data=data_dir)
    (cli.folder / "m.yaml").write_text(
        "tasks: [date_understanding]\nvariant: kojima\nstudents: [random-causal]\nblocks:\n"
        "  - {methods: [fine-tune-cot], teachers: [text-davinci-002]}\n"
        "  - {methods: [fine-tune], variant: original}\n"
        "  - methods: [fine-tune-cot]\n    variant: original\n    teacher_rows: false\n"
        "    teachers: [{name: sampled, use: replay, recordings: [gpt-3.5-turbo-instruct/gold_cot_n6]}]\n    degrees: [6]\n"
    )
    cli("run", "--matrix", "m.yaml", "--limit", 4, "--epochs", 1)
    rows = cli.json("report")["rows"]  # type: ignore[index]
    assert {(row["method"], row.get("teacher"), row["variant"]) for row in rows if row["kind"] != "random"} == {
        ("fine-tune-cot", "text-davinci-002", "kojima"),
        ("teacher", "text-davinci-002", "kojima"),
        ("fine-tune", None, "original"),
        ("fine-tune-cot", "sampled", "original"),
    }
    text = (
        (cli.folder / "m.yaml")
        .read_text()
        .replace("- {methods: [fine-tune], variant: original}", "- {methods: [fine-tune]}")
    )
    (cli.folder / "two.yaml").write_text(text + "  - {methods: [fine-tune], variant: original}\n")
    done = cli("plan", "--matrix", "two.yaml", code=2)
    assert "in two blocks with different recipes, curators or wordings" in done.stderr
