"""A finished run, for Python programs and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import BadInputError
from rtbench.library.frames import claims_frame, comparison_frame, leaderboard_frame
from rtbench.plugin.reporting import FolderReporter
from rtbench.reporting.answers import sample_records, shown_by
from rtbench.reporting.cells import find_cell
from rtbench.reporting.claims.contract import claim_set
from rtbench.reporting.claims.evaluation import evaluate_claims
from rtbench.reporting.compare import compare
from rtbench.reporting.rationales import rationales_of
from rtbench.running.board import board_of

if TYPE_CHECKING:
    import datasets
    import pandas as pd

    from rtbench.library.settings import PathLike
    from rtbench.schema.base import Fold
    from rtbench.schema.effort import CostUnit
    from rtbench.schema.leaderboard import Leaderboard
    from rtbench.schema.runs import RunRecord
    from rtbench.session import Session


@dataclass(frozen=True)
class FailedStep:
    """A step that failed."""

    title: str
    error: str
    trace: str | None
    """Traceback; None where the step was not tried or has none."""


class Run:
    """A run: its leaderboard, samples, rationales and claims. All of it is read from the workspace when it is asked for.

    Made by :func:`rtbench.run` and :func:`rtbench.open_run`.
    """

    def __init__(
        self, record: RunRecord, session: Session, failed: Sequence[FailedStep] = (), *, stopped: bool = False
    ) -> None:
        self.record = record
        """The cells of the run, and the keys of their steps."""
        self.failed = tuple(failed)
        """Steps that failed when it was run by this program; empty for a run that was opened."""
        self.stopped = stopped
        """True where it was interrupted (Ctrl-C, or the stop button of a notebook). Run it again to continue."""
        self._session = session

    @property
    def name(self) -> str:
        """Return the name of the run."""
        return self.record.name

    @property
    def cells(self) -> pd.DataFrame:
        """Return the cells of the run, one per row, with the reason where a cell could not run."""
        import pandas as pd

        shown = (
            "name",
            "method",
            "task",
            "teacher",
            "student",
            "degree",
            "seed",
            "fraction",
            "fold",
            "extractor",
            "reason",
        )
        rows = [{key: getattr(cell, key) for key in shown} for cell in self.record.cells]
        scored = [self._session.store.scored(cell) for cell in self.record.cells]
        frame = pd.DataFrame(rows, columns=list(shown))
        frame.insert(len(shown) - 1, "scored", scored)
        return frame

    def leaderboard(self, *, extractor: str | None = None, reference: bool = False, long: bool = False) -> pd.DataFrame:
        """Return the leaderboard. Accuracies and the ends of 95 % intervals are in percent.

        Args:
            extractor: show the scores of another extractor; nothing runs again.
            reference: add the figures of the paper.
            long: one row per leaderboard row and task, with intervals, n and seeds. Otherwise one row per leaderboard row
                with one column per task, and the mean.

        Raises:
            UnknownNameError: no cell was scored with this extractor.
        """
        return leaderboard_frame(self._board(extractor=extractor, reference=reference), long=long)

    def samples(self, cell: str, *, extractor: str | None = None) -> pd.DataFrame:
        """Return the samples of a cell: question, prompt, completion, rationale, extracted and gold answer, correct.

        Args:
            cell: name of the cell, or a part of it that no other cell has (:attr:`cells`).
            extractor: use the scores of another extractor.

        Raises:
            UnknownNameError: no cell has this name, or it was not scored with this extractor.
            BadInputError: several cells match, or the cell has no scores.
        """
        import pandas as pd

        found = find_cell(self._session, self.record, cell)
        return pd.DataFrame(sample_records(self._session, found, extractor))

    def rationales(self, cell: str | None = None) -> datasets.Dataset:
        """Return the rationales that students learned from, with question, answer, teacher, yield and licence.

        Args:
            cell: only those of this cell; None: of all cells.

        Raises:
            BadInputError: no student was trained on rationales.
        """
        import warnings

        with warnings.catch_warnings(action="ignore"):  # that a notebook has no widgets
            from datasets import Dataset

        cells = self.record.cells if cell is None else (find_cell(self._session, self.record, cell),)
        return Dataset.from_list([msgspec.to_builtins(one) for one in rationales_of(self._session, self.record, cells)])

    def claims(self, name: str | None = None, *, fold: Fold = "test", extractor: str | None = None) -> pd.DataFrame:
        """Test the claims of a study on the run. Effects and intervals are in percentage points.

        Args:
            name: registered set of claims; None: that of the run's matrix, or the paper's.
            fold: fold on which students were tested.
            extractor: use the scores of another extractor.

        Returns:
            One row per claim and task: its verdict, effect, interval, Holm-adjusted p value and sentence.

        Raises:
            UnknownNameError: no such set is registered.
        """
        name = name or self.record.claims or self._session.registry("claims").default(where="claims").name
        record = self.record if extractor is None else shown_by(self._session, self.record, extractor)
        services = self._session
        results = evaluate_claims(claim_set(services, name), record, services.store, fold, services.ledger)
        return claims_frame(results)

    def compare(self, other: Run | str) -> pd.DataFrame:
        """Compare with another run, row by row on the same questions: is a difference more than chance?

        Args:
            other: the other run, or its name in the same workspace. Effects are its accuracy minus this run's.

        Raises:
            UnknownNameError: there is no such run.
            BadInputError: the runs have no scored cells in common.
        """
        if isinstance(other, str):
            other = Run(self._session.open_run(other), self._session)
        found = compare(self.record, other.record, self._session.store, other._session.store)
        return comparison_frame(found)

    def report(
        self,
        format: str,  # noqa: A002 - as `--format`
        out: PathLike | None = None,
        *,
        reference: bool = False,
        extractor: str | None = None,
        per: CostUnit | None = None,
    ) -> str:
        """Return the leaderboard in a format of `rtbench report`, or write it.

        Args:
            format: ``table``, ``md``, ``csv``, ``json``, ``tex``, ``html`` …
            out: file to write, or folder for formats that are folders, such as ``html``.
            reference: add the figures of the paper.
            extractor: show the scores of another extractor.
            per: add gains per ``tokens`` or ``money``.

        Returns:
            The text, or the path that was written.

        Raises:
            UnknownNameError: there is no such format, or no cell was scored with the extractor.
            BadInputError: a format that is a folder needs ``out``.
        """
        from rtbench.storage.writing import naming, write_atomic

        reporter = self._session.reporter(format)
        record, board = board_of(
            self._session, self.record, extractor=extractor, reference=reference or reporter.takes_reference, per=per
        )
        if isinstance(reporter, FolderReporter):
            if out is None:
                raise BadInputError(
                    f"{format} is a folder, not a text", where="report", next_step="Name `out`, a folder."
                )
            reporter.write(board, record, self._session, Path(out))
            return str(out)
        text = reporter.render(board)
        if out is None:
            return text
        with naming(Path(out)):
            write_atomic(Path(out), f"{text}\n".encode())
        return str(out)

    def _board(self, *, extractor: str | None = None, reference: bool = False) -> Leaderboard:
        return board_of(self._session, self.record, extractor=extractor, reference=reference)[1]

    def __repr__(self) -> str:
        scored = sum(self._session.store.scored(cell) for cell in self.record.cells)
        failed = f", {len(self.failed)} failed steps" if self.failed else ""
        stopped = ", stopped" if self.stopped else ""
        return f"<Run {self.name!r}: {scored} of {len(self.record.cells)} cells scored{failed}{stopped}>"

    def _repr_html_(self) -> str:
        """Return the leaderboard for notebooks."""
        from rtbench.library.notebook import run_html

        return run_html(repr(self), self.leaderboard())
