"""Runs made up for tests of claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rtbench_plugins.paper.claims.claims import paper_claims

from rtbench.reporting.claims.contract import ClaimSet
from rtbench.reporting.claims.evaluation import evaluate_claims
from rtbench.schema.base import Fold, Source
from rtbench.schema.claims import ClaimResult
from rtbench.schema.runs import CellRecord, RunRecord
from rtbench.schema.scores import Score, ScoreSummary
from rtbench.schema.training import Recipe, TrainReport
from rtbench.storage.runs import Runs
from rtbench.storage.store import StepMeta, Store, Timing

RECIPE = Recipe(epochs=2)
SEEDS = (0, 1, 2)


@dataclass
class Bench:
    """Writes one run's cells.

    Args:
        workspace: holds its store and run record.
    """

    workspace: Path
    source: Source = "twin"
    cells: list[CellRecord] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.workspace / "store")

    def cell(
        self,
        method: str,
        right: Sequence[bool] | None,
        *,
        task: str = "multiarith",
        student: str | None = "small",
        teacher: str | None = None,
        degree: int | None = None,
        seed: int = 0,
        fraction: float = 1.0,
        fold: Fold = "test",
        selection: str = "last",
        extractor: str = "flexible",
        parameters: int | None = 1000,
        series: str | None = "own",
        temperature: float | None = None,
        first: int = 0,
        recipe: Recipe = RECIPE,
        reason: str | None = None,
        patterns: int | None = None,
    ) -> None:
        """Adds a cell; ``right`` holds the verdicts on questions ``first``, ``first`` + 1 …; None: it never ran. The
        questions are of so many patterns, in equal runs of neighbours; None: each is of its own."""
        name = f"{task}/{method}/{teacher}/{student}/D{degree}/{fraction}/{fold}/{selection}/{extractor}/seed{seed}"
        if temperature is not None:
            name += f"/T{temperature}"
        key = name.replace("/", "-")
        trained = student is not None and not method.startswith(("zero-shot", "few-shot"))
        if right is not None:
            groups = [f"p{place * patterns // len(right)}" if patterns else None for place in range(len(right))]
            lines = _lines(right, first, groups)
            self.put("score", key, {"summaries": [_summary(right, extractor, patterns)]}, lines, extractor)
            if trained:
                self.put("train", key, _report(parameters))
        self.cells.append(
            CellRecord(
                name=name,
                method=method,
                task=task,
                dataset=task,
                variant=f"twin-{seed}" if self.source == "twin" else "original",
                split="default",
                teacher=teacher,
                student=student,
                degree=degree,
                seed=seed,
                fraction=fraction,
                selection=selection if trained else None,
                extractor=extractor,
                limit=None,
                recipe=recipe if trained else None,
                temperature=temperature,
                recorded=False,
                source=self.source,
                fold=fold,
                series=series if trained else None,
                score=key,
                checkpoint=key if trained and right is not None else None,
                reason=reason,
            )
        )

    def seeds(
        self, method: str, right: Sequence[bool] | None, *, seeds: Sequence[int] = SEEDS, **facts: object
    ) -> None:
        """The same answers for several seeds."""
        for seed in seeds:
            self.cell(method, right, seed=seed, **facts)  # type: ignore[arg-type]

    def cot(self, right: Sequence[bool] | None, *, degree: int = 1, **facts: object) -> None:
        self.seeds("fine-tune-cot", right, **{"teacher": "main", "degree": degree, **facts})

    def row(self, right: Sequence[bool], teacher: str = "main", **facts: object) -> None:
        """A teacher's own answers."""
        self.seeds("teacher", right, **{"teacher": teacher, "student": None, **facts})

    def record(self, name: str = "bench") -> RunRecord:
        tasks = tuple(dict.fromkeys(cell.task for cell in self.cells))
        run = RunRecord(
            name=name, matrix=name, description="", version="0", tasks=tasks, cells=tuple(self.cells),
            random=dict.fromkeys(tasks, 0.0),
        )  # fmt: skip
        Runs(self.workspace).save(run)
        return run

    def results(self, claims: ClaimSet, fold: Fold = "test") -> list[ClaimResult]:
        """The results of a set of claims."""
        return evaluate_claims(claims, self.record(), self.store, fold)

    def lines(self, claim: str, fold: Fold = "test") -> list[ClaimResult]:
        """The results of one claim of the paper."""
        found = self.results(paper_claims(), fold)
        return [one for one in found if one.claim == claim]

    def line(self, claim: str, fold: Fold = "test") -> ClaimResult:
        (found,) = self.lines(claim, fold)
        return found

    def put(
        self,
        kind: str,
        key: str,
        result: dict[str, object],
        lines: bytes | None = None,
        extractor: str = "",
    ) -> None:
        with self.store.work(kind, key) as folder:
            if lines is not None:
                (folder / f"scores-{extractor}.jsonl").write_bytes(lines)
            meta = StepMeta(key=key, kind=kind, version=1, spec={}, inputs=(), result=result)
            self.store.commit(folder, meta, Timing(seconds=0.0))


def share(right: int, of: int = 100, *, shift: int = 0) -> list[bool]:
    """So many right answers, the first ones, or those from ``shift`` on."""
    return [(index - shift) % of < right for index in range(of)]


RECIPE = Recipe(epochs=2)


SEEDS = (0, 1, 2)


def _lines(right: Sequence[bool], first: int, groups: Sequence[str | None]) -> bytes:
    scores = [
        Score(
            sample_index=index,
            completion_index=0,
            extracted="1",
            correct=correct,
            contains_answer=correct,
            correct_format=True,
            complete=True,
            group=group,
        )
        for index, (correct, group) in enumerate(zip(right, groups, strict=True), first)
    ]
    return msgspec.json.Encoder().encode_lines(scores)


def _summary(right: Sequence[bool], extractor: str, patterns: int | None) -> object:
    n = len(right)
    return msgspec.to_builtins(
        ScoreSummary(
            extractor=extractor, version=1, n=n, correct=sum(right), accuracy=sum(right) / n if n else 0.0,
            contains_answer=1.0, correct_format=1.0, complete=1.0, patterns=patterns,
        )
    )  # fmt: skip


def _report(parameters: int | None) -> dict[str, object]:
    report = TrainReport(
        rows=1, validation_rows=0, truncated=0, epochs=2, selected=2, steps=1, tokens=1, parameters=parameters, history=()
    )  # fmt: skip
    found: dict[str, object] = msgspec.to_builtins(report)
    return found
