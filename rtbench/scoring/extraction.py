"""Named extractors: lm-eval filter pipelines that find answers, and the verdict on what they find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rtbench.errors import BadInputError, RtbenchError
from rtbench.schema.base import Record
from rtbench.schema.completions import Completion
from rtbench.schema.scores import Score, ScoreSummary
from rtbench.schema.tasks import Sample
from rtbench.scoring.rules import RULES, AnswerRule, AnswerType, RuleOptions, make_rule
from rtbench.storage.files import convert

FILTER = "rtbench"
"""Name of our filter in lm-eval's registry; see :mod:`rtbench.scoring.filters`."""


class FilterStep(Record, frozen=True):
    """One step of a pipeline: a name in lm-eval's filter registry and its arguments."""

    function: str
    arguments: dict[str, Any]


class FilterExtractor:
    """Runs a pipeline of lm-eval filters on completions.

    Args:
        name: the extractor's name.
        steps: the pipeline, in order. Where none of the steps is ours, the answer is compared as a string.
        version: raised when results change.
        cites: whose behaviour it reproduces.
        where: the task's file, for messages.
    """

    def __init__(self, name: str, steps: Sequence[FilterStep], version: int, cites: str, where: str = "") -> None:
        self.name = name
        self.version = version
        self.cites = cites
        self.steps = tuple(steps)
        self._where = where
        self._pipelines: dict[str | None, list[Any]] = {}
        self._rule = answer_rule(self.steps, self._place())
        self._alone = self._rule if [step.function for step in self.steps] == [FILTER, "take_first"] else None
        """Our rule, where it is all there is: run through lm-eval's filters it finds the same, several times slower."""

    def score(
        self, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
    ) -> list[Score]:
        """One score per completion, in order. Reads ``Completion.text`` only.

        Raises:
            BadInputError: a gold answer is not of the task's type.
        """
        if not completions:
            return []
        if self._alone is not None:
            return _verdicts(self._alone, completions, samples, answer_prefix)
        docs = [_doc(samples[completion.sample_index]) for completion in completions]
        answers = self._run([completion.text for completion in completions], docs, answer_prefix)
        return [
            _score(completion, answer, doc) for completion, answer, doc in zip(completions, answers, docs, strict=True)
        ]

    def canonical(self, extracted: str) -> str | None:
        """One spelling for answers that the extractor holds to be equal (``5`` and ``5.0`` under ``strict``), to count
        votes by.

        Args:
            extracted: as in ``Score.extracted``.

        Returns:
            None where nothing was extracted, such as kojima's empty answer.
        """
        spelled = extracted.strip() if self._rule is None else self._rule.canonical(extracted)
        return spelled or None

    def concludes(self, text: str, sample: Sample) -> bool:
        """Return whether a text ends with the gold answer; False where the pipeline has no rule that could tell."""
        last = None if self._rule is None else self._rule.last(text, sample.choices)
        return last is not None and self._rule is not None and self._rule.matcher(sample.answer)(last)

    @property
    def rule(self) -> AnswerRule | None:
        """The answer rule that the pipeline runs; None where it is all lm-eval's own."""
        return self._rule

    def _place(self) -> str:
        return f"{self._where}: filter_list, {self.name!r}"

    def _run(self, texts: Sequence[str], docs: Sequence[dict[str, Any]], answer_prefix: str | None) -> list[Any]:
        resps: Any = [[text] for text in texts]
        for step, built in zip(self.steps, self._pipeline(answer_prefix), strict=True):
            try:
                resps = built.apply(resps, docs)
            except RtbenchError:
                raise
            except Exception as error:
                raise BadInputError(
                    f"filter {step.function!r} failed: {type(error).__name__}: {error}",
                    where=self._place(),
                    next_step="Check its arguments.",
                ) from error
        # A pipeline ends with one answer (take_first) or with a list of one.
        return [resp[0] if isinstance(resp, list) else resp for resp in resps]

    def _pipeline(self, answer_prefix: str | None) -> list[Any]:
        """Filters are built once per prefix: their patterns are compiled when they are built."""
        if answer_prefix not in self._pipelines:
            from lm_eval.filters import get_filter

            import rtbench.scoring.filters  # noqa: F401 - registers ours

            built: list[Any] = []
            for step in self.steps:
                arguments = dict(step.arguments)
                if step.function == FILTER:
                    arguments["answer_prefix"] = answer_prefix
                try:
                    built.append(get_filter(step.function)(**arguments))
                except RtbenchError:
                    raise
                except Exception as error:  # KeyError, TypeError, re.error …: a filter may check what it likes
                    raise BadInputError(
                        f"filter {step.function!r} cannot be built: {error}",
                        where=self._place(),
                        next_step="Name a filter that lm-eval knows, with its own arguments.",
                    ) from error
            self._pipelines[answer_prefix] = built
        return self._pipelines[answer_prefix]


def default_steps(rule: str, answer_type: AnswerType, letters: str | None = None) -> tuple[FilterStep, ...]:
    """The pipeline of one of our rules, for tasks whose YAML does not spell it out."""
    arguments: dict[str, Any] = {"rule": rule, "answer_type": answer_type}
    if letters:
        arguments["letters"] = letters
    return (FilterStep(function=FILTER, arguments=arguments), FilterStep(function="take_first", arguments={}))


def rule_of(steps: Sequence[FilterStep]) -> str | None:
    """Name of the answer rule that a pipeline runs; None where it is all lm-eval's own."""
    for step in steps:
        if step.function == FILTER and step.arguments.get("rule") in RULES:
            return str(step.arguments["rule"])
    return None


def answer_rule(steps: Sequence[FilterStep], where: str) -> AnswerRule | None:
    """The answer rule that a pipeline runs, built; None where it is all lm-eval's own.

    Raises:
        BadInputError, UnknownNameError: a step of ours names no rule, or options that it does not have.
    """
    found: AnswerRule | None = None
    for step in steps:
        if step.function != FILTER:
            continue
        arguments = dict(step.arguments)
        arguments.pop("answer_prefix", None)
        name = arguments.pop("rule", None)
        if not isinstance(name, str):
            raise BadInputError(
                f"filter {FILTER!r} needs `rule`, a name", where=where, next_step=f"Available: {', '.join(RULES)}."
            )
        found = make_rule(name, convert(arguments, RuleOptions, where=where), where=where)
    return found


def summarise(extractor: str, version: int, scores: Sequence[Score], missing: int = 0) -> ScoreSummary:
    """Counts and shares over scores; all shares are 0 where there are none."""
    n = len(scores)
    correct = sum([score.correct for score in scores])

    def share(count: int) -> float:
        return count / n if n else 0.0

    return ScoreSummary(
        extractor=extractor,
        version=version,
        n=n,
        correct=correct,
        accuracy=share(correct),
        contains_answer=share(sum([score.contains_answer for score in scores])),
        correct_format=share(sum([score.correct_format for score in scores])),
        complete=share(sum([score.complete for score in scores])),
        missing=missing,
        patterns=_patterns(scores),
    )


def _patterns(scores: Sequence[Score]) -> int | None:
    if {score.group for score in scores} <= {None}:
        return None
    return len({score.pattern for score in scores})


def _verdicts(
    rule: AnswerRule, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
) -> list[Score]:
    """What our rule finds, as :class:`rtbench.scoring.filters.AnswerFilter` judges it."""
    judges: dict[str, tuple[Callable[[str], bool], Callable[[Sequence[str]], bool]]] = {}
    scores: list[Score] = []
    find = rule.find
    for completion in completions:
        sample = samples[completion.sample_index]
        judge = judges.get(sample.answer)
        if judge is None:
            judge = judges[sample.answer] = (rule.matcher(sample.answer), rule.among(sample.answer))
        matches, among = judge
        found = find(completion.text, answer_prefix, sample.choices)
        extracted = found.extracted
        correct = extracted is not None and matches(extracted)
        scores.append(
            Score(
                sample_index=completion.sample_index,
                completion_index=completion.completion_index,
                extracted=extracted,
                correct=correct,
                contains_answer=correct or among(found.candidates),
                correct_format=found.correct_format,
                complete=completion.finish_reason == "stop",
            )
        )
    return scores


def _doc(sample: Sample) -> dict[str, Any]:
    """A sample as lm-eval's filters see it."""
    return {
        "sample_index": sample.index,
        "question": sample.question,
        "answer": sample.answer,
        "choices": list(sample.choices),
    }


def _score(completion: Completion, answer: Any, doc: dict[str, Any]) -> Score:
    from rtbench.scoring.filters import INVALID, Answer

    complete = completion.finish_reason == "stop"
    if isinstance(answer, Answer):
        return Score(
            sample_index=completion.sample_index,
            completion_index=completion.completion_index,
            extracted=answer.found.extracted,
            correct=answer.correct,
            contains_answer=answer.contains_answer,
            correct_format=answer.found.correct_format,
            complete=complete,
        )
    extracted = None if answer == INVALID else str(answer)
    correct = extracted is not None and extracted.strip() == str(doc["answer"]).strip()
    return Score(
        sample_index=completion.sample_index,
        completion_index=completion.completion_index,
        extracted=extracted,
        correct=correct,
        contains_answer=correct,
        correct_format=True,
        complete=complete,
    )
