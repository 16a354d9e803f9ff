"""The functions of the Python API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from typing_extensions import Unpack

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.library.planned import PlannedRun
from rtbench.library.run import FailedStep, Run
from rtbench.library.scoring import scored_texts
from rtbench.library.settings import open_session
from rtbench.matrix.overrides import Overrides
from rtbench.plugin.recordings import ONE_TEXT_PREFIX
from rtbench.running.carry_out import Order, carry_out
from rtbench.running.choice import planned
from rtbench.storage.paths import check_name
from rtbench.storage.runs import Runs

if TYPE_CHECKING:
    import os

    import pandas as pd

    from rtbench.library.settings import PathLike
    from rtbench.plugin.plans import Plan
    from rtbench.running.listener import RunListener
    from rtbench.session import Session

    MatrixLike = str | os.PathLike[str] | Mapping[str, Any] | None


class MatrixOptions(TypedDict, total=False):
    """What restricts or changes a matrix, as the options of `rtbench run` do."""

    tasks: Sequence[str]
    """Only these tasks. Those that the matrix lacks are added; the same goes for the next three."""
    methods: Sequence[str]
    teachers: Sequence[str]
    students: Sequence[str]
    teacher: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    """Use this teacher instead of the matrix's: ``{"name": "mine", "use": "openai", "model": "…"}``."""
    student: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    """Use this student instead of the matrix's."""
    degrees: Sequence[int]
    """Rationales per question."""
    fractions: Sequence[float]
    """Fractions of the training questions."""
    seeds: Sequence[int]
    sampling: Mapping[str, Any]
    """How students answer in tests: ``{"n": 8, "temperature": 0.7}``."""
    folds: Sequence[str]
    """Folds to answer and score: ``test``, ``ood``, ``validation``."""
    limit: int
    """Use only the first questions of each fold, also in training."""
    epochs: int
    selection: str
    """How to select the epoch: ``last``, ``val``, ``val-accuracy`` or ``best-test``."""
    extractor: str
    source: str
    """``upstream`` or ``twin``."""
    variant: str
    split: str


def run(
    matrix: MatrixLike = None,
    *,
    name: str | None = None,
    workspace: PathLike | None = None,
    budget: str | None = None,
    workers: int | None = None,
    executor: str = "local",
    executor_options: Mapping[str, object] | None = None,
    report_to: Sequence[str] = (),
    progress: bool = True,
    **options: Unpack[MatrixOptions],
) -> Run:
    """Run a matrix, and return the run. Steps that are already done are not run again.

    Args:
        matrix: name of a built-in matrix, path of a YAML file, or its content as a mapping; None: the default matrix,
            which takes a few minutes on two CPU cores.
        name: name of the run; None: that of the matrix, with a digest of the options.
        workspace: folder of ledger, store and runs; None: that of :func:`rtbench.configure`, of ``RTBENCH_WORKSPACE``, or
            ``rtbench-workspace``.
        budget: maximum cost, such as ``"25usd"``.
        workers: number of parallel steps; None: one per CPU core.
        executor: where steps run: ``local``, ``slurm``, ``ray``.
        executor_options: of the executor.
        report_to: trackers that training is logged to: ``wandb``, ``tensorboard``, ``mlflow``.
        progress: show the progress, in a notebook as bars.
        options: fields of :class:`rtbench.MatrixOptions`: ``tasks``, ``methods``, ``teachers``, ``students``, ``degrees``,
            ``seeds``, ``limit``, ``epochs`` …

    Returns:
        The run. Failed steps are in :attr:`rtbench.Run.failed`.

    Raises:
        RtbenchError: the matrix or an option is wrong, or something that the run needs is missing.
    """
    from rtbench.library.notebook import listener_for

    session = open_session(workspace)
    order = Order(
        matrix=_source(matrix),
        options=_plain(options),
        name=None if name is None else check_name(name, where="name"),
        budget=budget,
        executor=executor,
        executor_options={**(executor_options or {}), **({} if workers is None else {"workers": workers})},
        report_to=tuple(report_to),
    )
    show: Callable[[Plan, Session], RunListener] = listener_for(shown=progress)
    ran = carry_out(session, order, show)
    if ran.unsaved is not None:
        session.warn(f"the record of run {ran.record.name} could not be saved: {ran.unsaved}")
    failed = [
        FailedStep(ran.plan.steps[state.key].title, state.error or "", state.trace) for state in ran.outcome.failed
    ]
    return Run(ran.record, ran.session, failed, stopped=ran.outcome.interrupted)


def plan(
    matrix: MatrixLike = None,
    *,
    workspace: PathLike | None = None,
    executor: str = "local",
    executor_options: Mapping[str, object] | None = None,
    **options: Unpack[MatrixOptions],
) -> PlannedRun:
    """Return what a run would do and cost. :func:`run` with the same arguments does exactly this.

    Args:
        matrix: as in :func:`run`.
        workspace: as in :func:`run`.
        executor: as in :func:`run`; times and memory are those of the machine that it runs steps on.
        executor_options: as in :func:`run`.
        options: as in :func:`run`.

    Raises:
        RtbenchError: the matrix or an option is wrong.
    """
    session = open_session(workspace)
    session = session.with_settings(machine=session.executor(executor, dict(executor_options or {})).machine())
    return PlannedRun(planned(session, _source(matrix), _plain(options)), session)


def open_run(name: str | None = None, *, workspace: PathLike | None = None) -> Run:
    """Return a run of the workspace by name, or the latest.

    Raises:
        UnknownNameError: there is no such run.
        BadInputError: there is no run yet.
    """
    session = open_session(workspace)
    return Run(session.open_run(name), session)


def runs(*, workspace: PathLike | None = None) -> list[str]:
    """Return the names of the workspace's runs, oldest first."""
    return Runs(open_session(workspace).place).names()


def score(
    texts: Iterable[str],
    *,
    task: str,
    answers: Iterable[str] | None = None,
    questions: Iterable[str] | None = None,
    extractor: str | None = None,
    variant: str | None = None,
    answer_prefix: str | None = ONE_TEXT_PREFIX,
) -> pd.DataFrame:
    """Score completions with a task's extractor. Asks no model.

    Args:
        texts: the completions, as models wrote them.
        task: name of the task, whose type of answers is read.
        answers: gold answers, one per text; None: those of the task's data, where ``questions`` are found.
        questions: the questions, one per text. Choices are read from them.
        extractor: name of the extractor; None: the one that the task's leaderboards show.
        variant: wording of the task's data; None: the first.
        answer_prefix: text before the answer, in the format that the models were asked for; None: they wrote the answer
            alone.

    Returns:
        One row per text: ``extracted``, ``gold``, ``correct``, ``contains_answer``, ``correct_format``, ``complete``, and the
        ``reason`` of texts that were not scored. Thinking in tags is left out before.

    Raises:
        RtbenchError: the task or extractor is unknown, or a gold answer is not of the task's type.
    """
    return scored_texts(
        open_session(),
        list(texts),
        task=task,
        answers=None if answers is None else list(answers),
        questions=None if questions is None else list(questions),
        extractor=extractor,
        variant=variant,
        answer_prefix=answer_prefix,
    )


def _source(matrix: MatrixLike) -> str | Mapping[str, Any] | None:
    import os

    return os.fspath(matrix) if isinstance(matrix, os.PathLike) else matrix


def _plain(options: MatrixOptions) -> dict[str, Any]:
    """Return options as the command line has them, so that equal options give a run the same name.

    Raises:
        UnknownNameError: there is no such option.
        BadInputError: a list of names is a single text.
    """
    plain: dict[str, Any] = {}
    for name, value in options.items():
        if name not in Overrides.__struct_fields__:
            raise UnknownNameError.of("option", name, Overrides.__struct_fields__, where="rtbench.run")
        if isinstance(value, str) and name not in {"selection", "extractor", "source", "variant", "split"}:
            raise BadInputError(f"{value!r} is not a list", where=name, next_step=f'Write {name}=["{value}"].')
        if name in {"teacher", "student"} and isinstance(value, Mapping):
            value = [value]  # noqa: PLW2901
        if value is None:
            continue
        if isinstance(value, Sequence) and not isinstance(value, str):
            plain[name] = [dict(one) if isinstance(one, Mapping) else one for one in value]
        else:
            plain[name] = dict(value) if isinstance(value, Mapping) else value
    return plain
