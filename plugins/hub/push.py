"""Command ``rtbench hub push``: uploads a run's leaderboard, rationales or a student to the Hugging Face hub, with a card."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec
from rtbench_plugins.hub.results import dataset_of, model_index, write_results

from rtbench.api import (
    BadInputError,
    MissingDataError,
    ScoreResult,
    checkpoint_of,
    echo,
    examples_of,
    file_name,
    find_cell,
    in_percent,
    markdown_code,
    markdown_text,
    naming,
    squeezed,
    with_session,
    write_atomic,
    write_json,
    write_jsonl,
)

if TYPE_CHECKING:
    from rtbench.api import CellRecord, Leaderboard, RunRecord, Services

What = Literal["leaderboard", "rationales", "student"]
REPO_TYPES: dict[What, str] = {"leaderboard": "dataset", "rationales": "dataset", "student": "model"}


_FIELDS = (
    ("sample_index", "position of the question in its task's own order"),
    ("completion_index", "number of the completion among those of the question"),
    ("question", "the question, with its choices"),
    ("rationale", "what the model wrote before its answer"),
    ("answer", "the answer that the rationale leads to, as the task's gold answer spells it"),
    ("source", "fingerprint of the model that wrote it"),
)
"""Fields of a rationale, for its card (:class:`rtbench.schema.training.Example`)."""


@click.group()
def hub() -> None:
    """Share a run on the Hugging Face hub."""


@hub.command()
@click.argument("run", required=False)
@click.option(
    "--what", type=click.Choice(list(REPO_TYPES)), default="leaderboard", show_default=True, help="What to push."
)
@click.option("--cell", metavar="CELL", help="Cell of the student, or of the rationales (default: all rationales).")
@click.option("--repo", metavar="OWNER/NAME", help="Target repository; created if it does not exist.")
@click.option("--public", is_flag=True, help="Create the repository as public.  [default: private]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files here instead of pushing them.",
)
@with_session
def push(
    services: Services, run: str | None, what: What, cell: str | None, repo: str | None, public: bool, out: Path | None
) -> None:
    """Push results of a run, with a card.

    Use --out to inspect the files first. The hub's token is read from HF_TOKEN, or from where `hf auth login` stores it.
    """
    from rtbench.api import build_leaderboard

    if repo is not None and out is not None:
        raise BadInputError("--out pushes nothing", where="hub push --repo --out", next_step="Use only one of the two.")
    if repo is None and out is None:
        raise BadInputError(
            "no target", where="hub push", next_step="Add --repo OWNER/NAME, or --out DIR to inspect the files first."
        )
    record = services.open_run(run)
    board = build_leaderboard(record, services)
    with tempfile.TemporaryDirectory() as temporary, naming(out or Path(temporary)):
        folder = Path(temporary)
        if what == "student":
            _student(services, record, _one_cell(services, record, cell), folder)
        elif what == "rationales":
            _rationales(services, record, None if cell is None else _one_cell(services, record, cell), folder)
        else:
            _leaderboard(board, record, folder)
        if out is not None:
            if out.exists() and any(out.iterdir()):
                raise BadInputError("is not empty", where=f"--out {out}", next_step="Use a new folder.")
            shutil.copytree(folder, out, dirs_exist_ok=True)
            echo(str(out / "README.md"))
            return
        assert repo is not None
        echo(_upload(folder, repo, REPO_TYPES[what], f"{what} of run {record.name}", public=public))


def _one_cell(services: Services, record: RunRecord, name: str | None) -> CellRecord:
    if name is None:
        raise BadInputError(
            "no cell", where="--what student", next_step="Add --cell CELL (`rtbench show` lists the cells)."
        )
    return find_cell(services, record, name)


def _leaderboard(board: Leaderboard, record: RunRecord, folder: Path) -> None:
    from rtbench_plugins.reporters.tables import CsvReporter, MarkdownReporter

    text = MarkdownReporter().render(board)
    write_atomic(folder / "leaderboard.csv", CsvReporter().render(board).encode())
    write_json(folder / "run.json", record)
    _card(folder, {"pretty_name": f"rtbench leaderboard: {record.name}", "tags": ["rtbench", "leaderboard"]}, text)


def _rationales(services: Services, record: RunRecord, cell: CellRecord | None, folder: Path) -> None:
    """Write a file for each set of rationales that a student was trained on, and the card.

    Raises:
        BadInputError: the run trained on no rationales.
    """
    from rtbench_plugins.reporters.printing import markdown_table

    from rtbench.api import CurationYield

    cells = [cell] if cell is not None else [each for each in record.cells if each.teacher is not None]
    rows: list[tuple[str, ...]] = []
    for key, trained in {each.examples: each for each in cells if each.examples is not None}.items():
        if not services.store.has("curate", key):
            continue
        examples = examples_of(services, key)
        name = "-".join(
            [trained.dataset, trained.teacher or "gold", f"D{trained.degree or 1}", f"seed{trained.seed}", key[:8]]
        )
        pushed = [example for example in examples if example.rationale is not None]
        if not pushed:
            continue
        write_jsonl(folder / "data" / f"{file_name(name)}.jsonl", pushed)
        yielded = services.store.result(CurationYield, key)
        source = "imported recordings" if trained.recorded else "generated in this run"
        kept, covered = f"{yielded.kept} of {yielded.completions}", f"{yielded.covered} of {yielded.questions}"
        rows.append((name, trained.task, f"{trained.teacher} ({source})", kept, covered))
    if not rows:
        raise BadInputError("the run trained on no rationales", where=f"run {record.name}")
    text = "\n".join(
        [
            f"# Rationales of run {markdown_text(record.name)}",
            "",
            "Chain-of-thought rationales of a teacher that the run's curators kept, as the students of this run learned from them.",
            "A model wrote them: they may be wrong, or right for a wrong reason. The licences of the data sets apply to the questions.",
            "",
            *markdown_table(("file", "task", "teacher", "kept", "questions covered"), rows),
            "",
            "Each line of a file has these fields:",
            "",
            *markdown_table(("field", "content"), _FIELDS),
        ]
    )
    _card(folder, {"pretty_name": f"rtbench rationales: {record.name}", "tags": ["rtbench", "chain-of-thought"]}, text)


def _student(services: Services, record: RunRecord, cell: CellRecord, folder: Path) -> None:
    from rtbench_plugins.reporters.printing import markdown_table

    shutil.copytree(checkpoint_of(services, cell), folder, dirs_exist_ok=True)
    lines = [
        f"# {markdown_text(f'{cell.student}, {cell.method} on {cell.task}')}",
        "",
        f"Trained by rtbench {record.version}, run {markdown_text(record.name)}, cell {markdown_code(cell.name)}.",
        "",
    ]
    lines += [f"- teacher: {markdown_text(cell.teacher)}" for _ in [0] if cell.teacher] + [
        f"- recipe: {markdown_code(msgspec.json.encode(cell.recipe).decode())}"
    ]
    if cell.score is not None and services.store.scored(cell):
        lines += [
            "",
            markdown_text(
                f"On the {cell.fold} fold of {cell.task} ({cell.source} data, {cell.variant}), seed {cell.seed}:"
            ),
            "",
        ]
        summaries = services.store.result(ScoreResult, cell.score).summaries
        rows = [(f"{each.extractor} v{each.version}", in_percent(each.accuracy), str(each.n)) for each in summaries]
        lines += markdown_table(("extractor", "accuracy, %", "n"), rows, range(1, 3))
    write_results(services, record, cell, folder)
    facts: dict[str, Any] = {"library_name": "transformers", "tags": ["rtbench", "reasoning", cell.task]}
    if index := model_index(services, cell, f"{cell.student} {cell.method} {cell.task}"):
        facts["model-index"] = index
    if (dataset := dataset_of(cell)) is not None:
        facts["datasets"] = [dataset]
    _card(folder, facts, "\n".join(lines))


def _card(folder: Path, metadata: dict[str, Any], text: str) -> None:
    """Write the card. Its licence is ``other``: the licences of the data sets and models apply to texts and weights."""
    import yaml

    head = yaml.safe_dump({"license": "other", **metadata}, sort_keys=False)
    write_atomic(folder / "README.md", f"---\n{head}---\n\n{text}\n".encode())


def _upload(folder: Path, repo: str, repo_type: str, message: str, *, public: bool) -> str:
    """Upload a folder and return the address of the new commit.

    Raises:
        MissingDataError: the hub cannot be reached.
        BadInputError: the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    where = f"--repo {repo}"
    try:
        api = HfApi()
        api.create_repo(repo, repo_type=repo_type, private=not public, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, repo_type=repo_type, folder_path=folder, commit_message=message))
    except OfflineModeIsEnabled:
        raise MissingDataError("HF_HUB_OFFLINE is set", where=where, next_step="Unset it to push.") from None
    except (HfHubHTTPError, HFValidationError) as error:
        reason = squeezed(str(error))[:300]
        raise BadInputError(reason, where=where, next_step="Check the name, and `hf auth whoami`.") from error
    except Exception as error:
        reason = squeezed(str(error))[:200]
        raise MissingDataError(f"the hub cannot be reached: {type(error).__name__}: {reason}", where=where) from error
