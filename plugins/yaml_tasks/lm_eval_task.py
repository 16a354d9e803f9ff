"""Read unchanged tasks of lm-eval: the config, and the questions and golds that its templates make of the data.

Only tasks that generate text (``output_type: generate_until``) can be run, and only where no Python function is needed:
code of a task's author is not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbench_plugins.yaml_tasks.records import field_of, gold_text, text_of
from rtbench_plugins.yaml_tasks.samples import LETTERS

from rtbench.api import (
    AnswerType,
    BadInputError,
    Sample,
    TableRow,
    choices_in,
    is_number,
    read_yaml,
    resolved,
    user_path,
)
from rtbench.scoring.patterns import SECONDS, UserPattern, time_limit

_QUESTION = re.compile(r"^\s*(?:question|problem|q)\s*:\s*", re.IGNORECASE)
_ANSWER = re.compile(
    r"(?:\s*\n\s*(?:answer|solution|a)\s*:[^\n]{0,100}|\s*\b(?:answer|solution|a)\s*:\s*)$", re.IGNORECASE
)
"""Words around the question in a template. Prompt formats have their own."""
_FINAL = "####"
"""Mark before the final answer of gsm8k's solutions."""
_HOW_TO = "Put the records into a file of your own (docs/tasks.md), or change the key."


@dataclass(frozen=True)
class Function:
    """A Python function that a config names with ``!function``."""

    name: str


def read_config(path: Path) -> Any:
    """Return an lm-eval config as plain data, with the files that it includes.

    Raises:
        BadInputError: a file is not valid YAML, missing, or includes itself.
    """
    return _with_includes(path, ())


def _with_includes(path: Path, seen: Sequence[Path]) -> Any:
    path = resolved(path)
    if path in seen:
        raise BadInputError("the file includes itself", where=str(path), next_step="Remove the `include`.")
    data = read_yaml(path, tags={"!function": Function})
    if not isinstance(data, dict) or "include" not in data:
        return data
    included = data.pop("include")
    names = included if isinstance(included, list) else [included]
    merged: dict[Any, Any] = {}
    for name in names:
        if not isinstance(name, str):
            raise BadInputError(f"`include` is {name!r}, not the name of a file", where=str(path))
        base = _with_includes(path.parent / user_path(name, where=f"{path}, include"), (*seen, path))
        merged |= base if isinstance(base, dict) else {}
    return merged | data


def functions_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield key and name of every function in a config."""
    if isinstance(value, Function):
        yield key, value.name
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from functions_in(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from functions_in(item, key)


def check_runnable(config: Mapping[str, Any], where: str, *, templates: bool) -> None:
    """Check that a config can be run unchanged.

    Args:
        config: the config.
        where: its file, for messages.
        templates: True where its templates make the questions, and not fields that the task names.

    Raises:
        BadInputError: it needs another output type or a Python function; the error names it.
    """
    kind = config.get("output_type", "generate_until")
    if kind != "generate_until" and templates:
        raise BadInputError(
            f"`output_type: {kind}` compares likelihoods of given texts; only tasks that generate text can be run",
            where=where,
            next_step="Use a task with `output_type: generate_until`, or name question, choices and answer under "
            "`metadata.rtbench` (docs/tasks.md).",
        )
    ignored = {"fewshot_config", "process_results", "doc_to_decontamination_query", "metric_list"}
    if not templates:
        ignored |= {"doc_to_text", "doc_to_target", "doc_to_choice"}
    for key, name in functions_in(dict(config)):
        if key.partition(".")[0] not in ignored:
            raise BadInputError(
                f"`{key}` needs the Python function {name}, and code of a task is not run",
                where=where,
                next_step=_HOW_TO,
            )
    for key in ("doc_to_image", "doc_to_audio"):
        if config.get(key):
            raise BadInputError(f"`{key}`: only questions in text can be asked", where=where, next_step=_HOW_TO)


class Docs:
    """Makes samples of the data's records with the config's templates.

    Args:
        config: the config.
        where: its file, for messages.
    """

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._question = self._template(config, "doc_to_text")
        self._target = self._template(config, "doc_to_target")
        self._ignored = _ignored_patterns(config, where)

    def sample(self, row: TableRow, index: int, source: str) -> Sample:
        """Return a record as a sample.

        Raises:
            BadInputError: a template fails, or its question or gold is empty.
        """
        where = f"{source}, {row.place}"
        question = text_of(self._rendered(self._question, row.values, "doc_to_text", where), "doc_to_text", where)
        question = _ANSWER.sub("", _QUESTION.sub("", question)).strip()
        target = gold_text(
            self._rendered(self._target, row.values, "doc_to_target", where), "string", "doc_to_target", where
        )
        rationale = target.rpartition(_FINAL)[0].strip() if _FINAL in target else None
        gold = target
        for pattern in self._ignored:
            gold = pattern.sub("", gold)
        if _FINAL in gold:
            gold = gold.rpartition(_FINAL)[2]
        answer = text_of(gold, "doc_to_target", where)
        return Sample(index=index, question=question, answer=answer, rationale=rationale or None)

    def _template(self, config: Mapping[str, Any], key: str) -> Any:
        import jinja2
        from rtbench_plugins.yaml_tasks.sandbox import Sandbox

        text = config.get(key)
        if not isinstance(text, str) or not text.strip():
            raise BadInputError(f"`{key}` is missing or not a template", where=self.where, next_step="Add it.")
        if "{{" not in text and "{%" not in text:
            return text  # the name of a field
        try:
            environment = Sandbox(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
            return environment.from_string(text)
        except (jinja2.TemplateError, RecursionError, ValueError, OverflowError, MemoryError) as error:
            what = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise BadInputError(f"`{key}` is not a valid template: {what}", where=self.where) from None

    def _rendered(self, template: Any, values: dict[str, Any], key: str, where: str) -> Any:
        if isinstance(template, str):
            return field_of(values, template, where)
        try:
            with time_limit(SECONDS):
                return template.render(**values)
        except TimeoutError:
            raise BadInputError(f"`{key}` finds no end on this record", where=where, next_step=_HOW_TO) from None
        except Exception as error:  # templates call methods of the data
            raise BadInputError(
                f"`{key}` fails on this record: {type(error).__name__}: {error}", where=where, next_step=_HOW_TO
            ) from None


def _ignored_patterns(config: Mapping[str, Any], where: str) -> list[UserPattern]:
    """Return the patterns that the metric ``exact_match`` removes from golds before it compares them."""
    patterns: list[str] = []
    metrics = config.get("metric_list")
    for metric in metrics if isinstance(metrics, list) else ():
        if isinstance(metric, Mapping) and metric.get("metric") == "exact_match":
            stated = metric.get("regexes_to_ignore") or []
            patterns += stated if isinstance(stated, list) else [stated]
    place = f"{where}: `regexes_to_ignore`"
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise BadInputError(f"{pattern!r} is not a regular expression", where=place, next_step="Write text.")
    return [UserPattern(pattern, where=place) for pattern in patterns]


def type_of(samples: Sequence[Sample]) -> AnswerType:
    """Return the type of all golds: numbers, yes or no, letters of choices that the questions list, or else texts."""
    golds = [sample.answer for sample in samples]
    if all(map(is_number, golds)):
        return "number"
    if all(gold.lower() in ("yes", "no") for gold in golds):
        return "yes_no"
    if all(len(gold) == 1 and gold in LETTERS for gold in golds) and all(choices_in(s.question) for s in samples[:20]):
        return "choice"
    return "string"
