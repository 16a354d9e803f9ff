"""Packed runs: what models wrote and learned in a run, in one small file per step.

A packed run has no prompts, weights, recordings or scores. :func:`unpack` computes all but the weights again, from the
tasks' data and the recordings, and checks that each text answers the request that it was written for.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import BadInputError
from rtbench.schema.base import FinishReason, Record
from rtbench.schema.completions import Completion, Usage, completion_of
from rtbench.schema.logprobs import TokenLogprobs
from rtbench.schema.steps import (
    VERSIONS,
    CompleteSpec,
    CurateSpec,
    LikelihoodSpec,
    Step,
    StepKind,
    TrainSpec,
    asks_model,
)
from rtbench.schema.training import TrainReport
from rtbench.steps.complete import address_of, completions_of, partition_at, requests_of
from rtbench.steps.curate import judges_of
from rtbench.steps.run import run_step
from rtbench.storage.paths import inside
from rtbench.storage.reading import decode_json, jsonl_lines
from rtbench.storage.store import StepMeta, Store, Timing
from rtbench.storage.writing import write_atomic

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan
    from rtbench.plugin.services import Services
    from rtbench.schema.runs import CellRecord, RunRecord

FORMAT = 1
"""Version of the files."""
SUFFIX = ".jsonl.gz"
"""End of the files' names; before it is the key of the step."""


class PackedStep(Record, frozen=True, omit_defaults=True):
    """First line of a packed step's file."""

    format: int
    key: str
    kind: StepKind
    cell: str
    """Name of a cell that uses the step."""
    seconds: float
    units: int = 0
    report: TrainReport | None = None
    """Report of a ``train`` step."""


class PackedCompletion(Record, frozen=True, omit_defaults=True):
    """One of the other lines: a completion of a ``complete`` step, without its prompt."""

    key: str
    text: str
    reasoning: str | None = None
    thinking: str | None = None
    finish_reason: FinishReason | None = None
    reasoning_finish: FinishReason | None = None
    thinking_cut: bool = False
    usage: Usage | None = None
    prompt_cut: bool = False
    logprobs: TokenLogprobs | None = None


_FIELDS = tuple(name for name in PackedCompletion.__struct_fields__ if name not in {"key", "text"})


@dataclass
class Packed:
    """Numbers of packed steps."""

    written: Counter[StepKind] = field(default_factory=Counter)
    present: int = 0
    """Steps whose files were in the folder already."""


def pack(services: Services, run: RunRecord, folder: Path) -> Packed:
    """Write a run's finished trainings and completions into a folder. Files that are there are kept.

    Completions of recordings are left out.
    """
    packed = Packed()
    seen: set[str] = set()
    for cell in run.cells:
        for kind, key in _costly(cell):
            if key in seen or not services.store.has(kind, key):
                continue
            seen.add(key)
            meta = services.store.meta(kind, key)
            if kind == "complete" and meta.spec["recorded"] is not None:
                continue
            path = folder / f"{key}{SUFFIX}"
            if path.exists():
                packed.present += 1
                continue
            write_atomic(path, gzip.compress(_encoded(services, cell, meta), mtime=0))
            packed.written[kind] += 1
    return packed


def _costly(cell: CellRecord) -> Iterator[tuple[StepKind, str]]:
    """Yield kinds and keys of the steps of a cell that ask or train a model."""
    for key in (cell.checkpoint, *cell.trainings):
        if key is not None:
            yield "train", key
    for key in (*cell.asked, *cell.asked_student, *cell.completions):
        yield "complete", key


def _encoded(services: Services, cell: CellRecord, meta: StepMeta) -> bytes:
    store = services.store
    timing = store.timing(meta.kind, meta.key) or Timing(seconds=0.0)
    head = PackedStep(
        format=FORMAT,
        key=meta.key,
        kind=meta.kind,
        cell=cell.name,
        seconds=timing.seconds,
        units=timing.units,
        report=store.result(TrainReport, meta.key) if meta.kind == "train" else None,
    )
    completions = completions_of(services, meta.key) if meta.kind == "complete" else []
    return msgspec.json.Encoder().encode_lines([head, *map(_without_prompt, completions)])


def _without_prompt(completion: Completion) -> PackedCompletion:
    rest = {name: getattr(completion, name) for name in _FIELDS}
    return PackedCompletion(key=completion.key, text=completion.text, **rest)


@dataclass
class Unpacked:
    """What became of the files of a folder."""

    steps: Counter[StepKind] = field(default_factory=Counter)
    completions: int = 0
    """Completions that the ledger did not have."""
    present: int = 0
    """Files of steps that were finished already."""
    waiting: int = 0
    """Files of steps whose prompts need a step that the folder lacks."""
    unknown: int = 0
    """Files of steps that the plan does not have."""


def unpack(services: Services, plan: Plan, folder: Path) -> Unpacked:
    """Put packed steps of a plan into the store and the ledger, and do all steps that need no model and have their inputs.

    Args:
        services: ledger, store and plugins.
        plan: plan of the packed run.
        folder: folder of the files.

    Raises:
        BadInputError: the folder has no packed steps, a file is damaged, or none of them is of this plan.
    """
    files = {path.name.removesuffix(SUFFIX): inside(folder, path.name) for path in sorted(folder.glob(f"*{SUFFIX}"))}
    if not files:
        raise BadInputError(
            f"no packed steps (*{SUFFIX})", where=str(folder), next_step="Write them with `rtbench runs pack`."
        )
    unpacked = Unpacked(unknown=len(files.keys() - plan.steps.keys()))
    if unpacked.unknown == len(files):
        raise BadInputError(
            f"none of the {len(files)} packed steps belongs to the matrix {plan.matrix}",
            where=str(folder),
            next_step="Give the matrix and the options of the packed run. Weights and data types of models count too; "
            "`rtbench plan` prints them.",
        )
    finished: set[str] = set()
    for step in plan.steps.values():
        path = files.get(step.key)
        if services.store.has(step.kind, step.key):
            unpacked.present += path is not None
        elif not all(i.key in finished or i.role == "checkpoint" for i in step.inputs) and step.kind != "train":
            unpacked.waiting += path is not None
            continue
        elif path is not None:
            if not _put(services, step, path, unpacked):
                continue
        elif _asks(services, step):
            continue
        else:
            run_step(services, step)
        finished.add(step.key)
    return unpacked


def _asks(services: Services, step: Step) -> bool:
    """Return whether a step needs a model, so that unpacking leaves it to a run."""
    if isinstance(step.spec, CompleteSpec):
        return step.spec.recorded is None
    if isinstance(step.spec, CurateSpec):
        return bool(judges_of(services, step.spec))
    return isinstance(step.spec, TrainSpec | LikelihoodSpec)


def _put(services: Services, step: Step, path: Path, unpacked: Unpacked) -> bool:
    """Put a packed step into the store; return False where completions are missing, which the ledger then lacks."""
    lines = jsonl_lines(path)
    head = _head(lines, path, step)
    timing = Timing(seconds=head.seconds, units=head.units, elsewhere=True)
    if asks_model(step):
        if not _put_completions(services, step, lines, path, unpacked):
            return False
        run_step(services, step)  # the ledger has all completions: the model is not opened
        services.store.write_timing(step.kind, step.key, timing)
    else:
        if head.report is None:
            raise BadInputError("the report of the training is missing", where=f"{path}, line 1")
        _put_training(services.store, step, head.report, timing)
    unpacked.steps[step.kind] += 1
    return True


def _head(lines: Iterator[tuple[int, bytes]], path: Path, step: Step) -> PackedStep:
    """Return the first line of a file.

    Raises:
        BadInputError: it is not that of a packed step, or of another step or version.
    """
    number, line = next(lines, (1, b""))
    where = f"{path}, line {number}"
    head = decode_json(line, msgspec.json.Decoder(PackedStep), where=where, what="a packed step")
    if head.format != FORMAT:
        raise BadInputError(
            f"format {head.format}, where this version of rtbench reads {FORMAT}",
            where=where,
            next_step="Update rtbench.",
        )
    if (head.key, head.kind) != (step.key, step.kind):
        raise BadInputError(
            f"this is the {head.kind} step {head.key}, which the file's name does not say",
            where=where,
            next_step="Pack the run again.",
        )
    return head


def _put_completions(
    services: Services, step: Step[CompleteSpec], lines: Iterator[tuple[int, bytes]], path: Path, unpacked: Unpacked
) -> bool:
    """Append packed completions to the ledger; return whether it then has all completions of the step.

    Raises:
        BadInputError: a line is damaged, or answers no request of the step.
    """
    requests = {request.key: request for request in requests_of(services, step)}
    decoder = msgspec.json.Decoder(PackedCompletion)
    found: list[Completion] = []
    for number, line in lines:
        where = f"{path}, line {number}"
        one = decode_json(line, decoder, where=where, what="a packed completion")
        if one.key not in requests:
            raise BadInputError(
                f"{one.key} is no request of {step.title}", where=where, next_step="Pack the run again."
            )
        found.append(completion_of(requests[one.key], one.text, **{name: getattr(one, name) for name in _FIELDS}))
    partition = partition_at(services.ledger, address_of(step))
    with partition.alone():
        held = partition.keys()
        with partition.writer() as writer:
            for completion in found:
                if completion.key not in held:
                    writer.append(completion)
                    held.add(completion.key)
                    unpacked.completions += 1
    return requests.keys() <= held


def _put_training(store: Store, step: Step, report: TrainReport, timing: Timing) -> None:
    meta = StepMeta(
        key=step.key,
        kind=step.kind,
        version=VERSIONS[step.kind],
        spec=msgspec.to_builtins(step.spec),
        inputs=step.inputs,
        result=msgspec.to_builtins(report),
    )
    with store.work(step.kind, step.key) as folder:
        store.commit(folder, meta, timing)
