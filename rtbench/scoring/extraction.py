"""Named extractors: lm-eval filter pipelines that find answers, and the scores of these answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rtbench.errors import BadInputError, RtbenchError, UnknownNameError
from rtbench.schema.base import Record
from rtbench.schema.completions import Completion
from rtbench.schema.scores import Score, ScoreSummary
from rtbench.schema.tasks import Sample
from rtbench.scoring.answer_rule import AnswerRule, AnswerType, Found, RuleOptions
from rtbench.scoring.patterns import UserPattern
from rtbench.scoring.rules import RULES, make_rule
from rtbench.storage.plain_data import convert

FILTER = "rtbench"
"""Name of our filter in lm-eval's registry; see :mod:`rtbench.scoring.filters`."""


class FilterStep(Record, frozen=True):
    """One step of a pipeline: a name in lm-eval's filter registry and its arguments."""

    function: str
    arguments: dict[str, Any]


class FilterExtractor:
    """An extractor that runs a pipeline of lm-eval filters on completions.

    Args:
        name: the extractor's name.
        steps: the pipeline, in order. Where none of the steps is ours, the answer is compared as a string.
        version: version of the extractor; it is raised when results change.
        cites: paper or code whose behaviour it reproduces.
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
        """Our rule, where it is the whole pipeline: lm-eval's filters give the same result, several times slower."""

    def score(
        self, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
    ) -> list[Score]:
        """Return one score per completion, in order. Only ``Completion.text`` is read.

        Raises:
            BadInputError: a gold answer is not of the task's type.
        """
        if not completions:
            return []
        if self._alone is not None:
            return _scores_by_rule(self._alone, completions, samples, answer_prefix)
        docs = [_doc(samples[completion.sample_index]) for completion in completions]
        answers = self._run([completion.text for completion in completions], docs, answer_prefix)
        return [
            _score(completion, answer, doc) for completion, answer, doc in zip(completions, answers, docs, strict=True)
        ]

    def canonical(self, extracted: str) -> str | None:
        """Return one spelling for answers that the extractor treats as equal (``5`` and ``5.0`` under ``strict``).

        Votes are counted by this spelling.

        Args:
            extracted: as in ``Score.extracted``.

        Returns:
            None where nothing was extracted, or an empty answer.
        """
        spelled = extracted.strip() if self._rule is None else self._rule.canonical(extracted)
        return spelled or None

    def concludes(self, text: str, sample: Sample) -> bool:
        """Return whether a text ends with the gold answer; False where the pipeline has no rule to check this."""
        last = None if self._rule is None else self._rule.last(text, sample.choices)
        return last is not None and self._rule is not None and self._rule.matcher(sample.answer)(last)

    @property
    def rule(self) -> AnswerRule | None:
        """Return the answer rule that the pipeline runs; None where all its filters are lm-eval's own."""
        return self._rule

    def _place(self) -> str:
        place = f"filter_list, {self.name!r}"
        return f"{self._where}: {place}" if self._where else place

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
        """Return the filters for an answer prefix, built once per prefix because building compiles patterns."""
        if answer_prefix not in self._pipelines:
            from lm_eval.api.registry import filter_registry
            from lm_eval.filters import get_filter

            import rtbench.scoring.filters  # noqa: F401 - registers ours

            built: list[Any] = []
            for step in self.steps:
                arguments = dict(step.arguments)
                if step.function == FILTER:
                    arguments["answer_prefix"] = answer_prefix
                if step.function not in filter_registry:  # lm-eval would log a warning of its own
                    raise UnknownNameError.of("filter", step.function, filter_registry, where=self._place())
                try:
                    built.append(self._stoppable(get_filter(step.function)(**arguments), arguments))
                except RtbenchError:
                    raise
                except Exception as error:  # KeyError, TypeError, re.error …: filters check their arguments freely
                    raise BadInputError(
                        f"filter {step.function!r} cannot be built: {error}",
                        where=self._place(),
                        next_step="Name a filter that lm-eval knows, with its own arguments.",
                    ) from error
            self._pipelines[answer_prefix] = built
        return self._pipelines[answer_prefix]

    def _stoppable(self, built: Any, arguments: Mapping[str, Any]) -> Any:
        """Return a filter whose pattern, where it has one of its own, is stopped if it finds no end."""
        if isinstance(pattern := getattr(built, "regex", None), re.Pattern):
            built.regex = UserPattern(pattern.pattern, where=self._place())
        ignored = arguments.get("regexes_to_ignore") or ()  # compiled by the filter itself
        for text in ignored if isinstance(ignored, list) else ():
            if not UserPattern(str(text), where=self._place()).is_simple:
                raise BadInputError(
                    f"the pattern {text!r} may find no end",
                    where=self._place(),
                    next_step="Write it without repeats inside repeats, such as a+ for (a+)+.",
                )
        return built


def default_steps(rule: str, answer_type: AnswerType, letters: str | None = None) -> tuple[FilterStep, ...]:
    """Return the pipeline of one of our rules, for tasks whose YAML does not state it."""
    arguments: dict[str, Any] = {"rule": rule, "answer_type": answer_type}
    if letters:
        arguments["letters"] = letters
    return (FilterStep(function=FILTER, arguments=arguments), FilterStep(function="take_first", arguments={}))


def rule_of(steps: Sequence[FilterStep]) -> str | None:
    """Return the name of the last answer rule that a pipeline runs; None where all its filters are lm-eval's own."""
    for step in reversed(steps):
        if step.function == FILTER and step.arguments.get("rule") in RULES:
            return str(step.arguments["rule"])
    return None


def answer_rule(steps: Sequence[FilterStep], where: str) -> AnswerRule | None:
    """Build and return the last answer rule that a pipeline runs; None where all its filters are lm-eval's own.

    Raises:
        BadInputError, UnknownNameError: a step of ours names no known rule, or has unknown options.
    """
    rule: AnswerRule | None = None
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
        rule = make_rule(name, convert(arguments, RuleOptions, where=where), where=where)
    return rule


def summarise(extractor: str, version: int, scores: Sequence[Score], missing: int = 0) -> ScoreSummary:
    """Return counts and fractions over scores; all fractions are 0 where there are no scores.

    Where questions have several scores, each question counts as much as any other.
    """
    counts = Counter([score.sample_index for score in scores])
    n, single = len(counts), len(counts) == len(scores)

    def share(marks: Sequence[bool]) -> float:
        if single:
            return sum(marks) / n if n else 0.0
        return sum(mark / counts[score.sample_index] for mark, score in zip(marks, scores, strict=True)) / n

    correct = [score.correct for score in scores]
    return ScoreSummary(
        extractor=extractor,
        version=version,
        n=n,
        correct=sum(correct),
        accuracy=share(correct),
        contains_answer=share([score.contains_answer for score in scores]),
        correct_format=share([score.correct_format for score in scores]),
        complete=share([score.complete for score in scores]),
        missing=missing,
        patterns=_patterns(scores),
        completions=None if single else len(scores),
    )


def _patterns(scores: Sequence[Score]) -> int | None:
    if {score.group for score in scores} <= {None}:
        return None
    return len({score.pattern for score in scores})


def _scores_by_rule(
    rule: AnswerRule, completions: Sequence[Completion], samples: Mapping[int, Sample], answer_prefix: str | None
) -> list[Score]:
    """Score completions by our rule alone; equals the result of :class:`rtbench.scoring.filters.AnswerFilter`."""
    comparisons: dict[str, tuple[Callable[[str], bool], Callable[[Found], bool]]] = {}
    scores: list[Score] = []
    find = rule.find
    for completion in completions:
        sample = samples[completion.sample_index]
        comparison = comparisons.get(sample.answer)
        if comparison is None:
            comparison = comparisons[sample.answer] = (rule.matcher(sample.answer), rule.contained(sample.answer))
        matches, contained = comparison
        found = find(completion.text, answer_prefix, sample.choices)
        extracted = found.extracted
        correct = extracted is not None and matches(extracted)
        scores.append(
            Score(
                sample_index=completion.sample_index,
                completion_index=completion.completion_index,
                extracted=extracted,
                correct=correct,
                contains_answer=correct or contained(found),
                correct_format=found.correct_format,
                complete=completion.finish_reason == "stop",
            )
        )
    return scores


def _doc(sample: Sample) -> dict[str, Any]:
    """Return a sample in the form that lm-eval's filters receive."""
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
