"""The public API for plugins: ``from rtbench.api import Task, Teacher, hookimpl``.

Names are added but never removed. The core does not import this module. Procedural twins have their own API in
:mod:`rtbench.twins`. The module of a name is imported when the name is first used, so that registering a plugin is
fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.library.lazy import importer as _importer

if TYPE_CHECKING:
    from rtbench.cli.common import format_option, with_session
    from rtbench.cli.completion import complete_run
    from rtbench.cli.consoles import SafeConsole
    from rtbench.cli.hints import to_paste
    from rtbench.cli.output import echo, echo_rendered, prepare_streams
    from rtbench.cli.parsing import name_list
    from rtbench.cli.printing import print_json, print_table
    from rtbench.data.files import DataFiles
    from rtbench.data.overlap import SPAN_WORDS, spans_of, words_of
    from rtbench.data.pins import PinnedFile
    from rtbench.errors import (
        BadInputError,
        DamagedError,
        MissingDataError,
        MissingExtraError,
        NotYetError,
        PluginError,
        RtbenchError,
        StepFailedError,
        UnavailableError,
        UnknownNameError,
        listed,
    )
    from rtbench.machine import Machine, cpu_count, gpu_count, here, memory_gb
    from rtbench.plugin.cells import Cell
    from rtbench.plugin.curators import CurationContext, Curator
    from rtbench.plugin.execution import Executor, Listener
    from rtbench.plugin.hookspecs import hookimpl
    from rtbench.plugin.methods import AskedStep, Method, StepBuilder
    from rtbench.plugin.models import ModelServices, Student, Teacher, TextModel, TrainJob
    from rtbench.plugin.plans import Plan, PlannedCell
    from rtbench.plugin.recordings import ONE_TEXT_PREFIX, RecordingFormat
    from rtbench.plugin.registry import Register
    from rtbench.plugin.reporting import FolderReporter, Reporter
    from rtbench.plugin.run_services import RunServices
    from rtbench.plugin.services import Services
    from rtbench.plugin.tasks import Extractor, ReadsConclusions, Task
    from rtbench.reporting.accuracy import Scored, precision_of
    from rtbench.reporting.answers import (
        ScoredAnswer,
        answers_by_extractor,
        answers_of,
        asked_as,
        check_scored,
        checkpoint_of,
        scored_by,
        scored_cells,
        shown_by,
    )
    from rtbench.reporting.build import build_leaderboard
    from rtbench.reporting.cells import find_cell
    from rtbench.reporting.claims.contract import CellComparison, Claim, ClaimSet, UntestedError, claim_set
    from rtbench.reporting.claims.evaluation import evaluate_claims
    from rtbench.reporting.claims.evidence import CellPair, TeacherId, View, match_cells, teacher_of
    from rtbench.reporting.compare import CellScores, close_to_best
    from rtbench.reporting.endings import WARN_ABOVE, counts_of_answers
    from rtbench.reporting.pareto import pareto_front
    from rtbench.reporting.wrong_answers import CATEGORIES, categories_of
    from rtbench.schema.base import (
        REFUSALS,
        Family,
        FinishReason,
        Fold,
        NotNegative,
        Positive,
        Record,
        RefusalKind,
        Source,
    )
    from rtbench.schema.claims import ClaimResult, Effort, PartialComparison, Reported, Verdict
    from rtbench.schema.completions import Completion, ModelSpec, Prefill, Request, Sampling, Usage, completion_of
    from rtbench.schema.effort import UNKNOWN, Cost, Efficiency, TrainingEffort
    from rtbench.schema.environment import Environment
    from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow, RequestCounts, in_percent
    from rtbench.schema.logprobs import MOST_ALTERNATIVES, TokenLogprobs, token_logprobs
    from rtbench.schema.matrix import CellSelector
    from rtbench.schema.money import Account, BudgetCap, Price, Spending, money_text
    from rtbench.schema.objectives import Grpo, Logits, Objective, ObjectiveName, Objectives, OnPolicy
    from rtbench.schema.progress import Progress, no_progress, throttled
    from rtbench.schema.prompts import PromptFormat, Template
    from rtbench.schema.recordings import RecordedEntry, Recording, Unmatched
    from rtbench.schema.results import CompleteResult, ScoreResult, StepResult, decode_result
    from rtbench.schema.runs import CellRecord, RunRecord
    from rtbench.schema.scores import Interval, Score, ScoreSummary
    from rtbench.schema.steps import (
        CompleteSpec,
        CurateSpec,
        Duration,
        LikelihoodSpec,
        Outcome,
        Resources,
        ScoreSpec,
        Step,
        StepState,
        TrainSpec,
    )
    from rtbench.schema.tasks import Demonstration, Questions, RationaleSource, Sample, Split, TaskData, TaskInfo
    from rtbench.schema.training import Candidate, CurationYield, Example, Recipe, TrainingRow, TrainReport
    from rtbench.scoring.answer_rule import AnswerType
    from rtbench.scoring.equations import equations_in
    from rtbench.scoring.golds import is_number
    from rtbench.scoring.parting import Tags, part_thinking
    from rtbench.scoring.text import choices_in, squeezed
    from rtbench.stats.bootstrap import RESAMPLES, SINGLE_TASK_RESAMPLES, Bootstrap
    from rtbench.stats.intervals import CONFIDENCE
    from rtbench.stats.paired import Difference, difference, in_common
    from rtbench.steps.curate import examples_of
    from rtbench.steps.generation import answered
    from rtbench.steps.prompts import demonstrations_text, fields_of, shots
    from rtbench.steps.run import Launch, do_work, run_step
    from rtbench.steps.score import scores_of
    from rtbench.steps.selection import questions_of
    from rtbench.steps.spending import spending_of, summed
    from rtbench.storage.budget import CALLS_AHEAD, Budget, BudgetSpentError, nano
    from rtbench.storage.digested import digested, save_digested
    from rtbench.storage.files import file_digest, file_name
    from rtbench.storage.keys import content_key, derived_seed
    from rtbench.storage.ledger import Partition, make_request
    from rtbench.storage.locks import locked
    from rtbench.storage.paths import check_label, inside, resolved, user_path
    from rtbench.storage.place import Place
    from rtbench.storage.places import cache_folder
    from rtbench.storage.plain_data import convert
    from rtbench.storage.reading import decode_json, jsonl_lines, read_bytes, read_json, read_jsonl, text_in
    from rtbench.storage.records import read_record, write_record
    from rtbench.storage.runs import Runs
    from rtbench.storage.store import Store, digests
    from rtbench.storage.tables import TableRow, is_table, read_rows
    from rtbench.storage.writing import as_json, atomic_write, naming, write_atomic, write_json, write_jsonl
    from rtbench.storage.yaml_files import read_yaml
    from rtbench.texts import (
        csv_field,
        json_text,
        latex_text,
        markdown_block,
        markdown_code,
        markdown_text,
        script_json,
        shortened_error,
        shown,
        shown_in_line,
        without_halves,
        without_secrets,
        without_styles,
    )

_NAMES = {
    "rtbench.cli.completion": "complete_run",
    "rtbench.cli.consoles": "SafeConsole",
    "rtbench.cli.hints": "to_paste",
    "rtbench.cli.output": "echo echo_rendered prepare_streams",
    "rtbench.cli.common": "format_option with_session",
    "rtbench.cli.parsing": "name_list",
    "rtbench.cli.printing": "print_json print_table",
    "rtbench.data.files": "DataFiles",
    "rtbench.data.overlap": "SPAN_WORDS spans_of words_of",
    "rtbench.data.pins": "PinnedFile",
    "rtbench.errors": (
        "BadInputError DamagedError MissingDataError MissingExtraError NotYetError PluginError RtbenchError "
        "StepFailedError UnavailableError UnknownNameError listed"
    ),
    "rtbench.machine": "Machine cpu_count gpu_count here memory_gb",
    "rtbench.plugin.cells": "Cell",
    "rtbench.plugin.curators": "CurationContext Curator",
    "rtbench.plugin.execution": "Executor Listener",
    "rtbench.plugin.hookspecs": "hookimpl",
    "rtbench.plugin.methods": "AskedStep Method StepBuilder",
    "rtbench.plugin.models": "ModelServices Student Teacher TextModel TrainJob",
    "rtbench.plugin.plans": "Plan PlannedCell",
    "rtbench.plugin.recordings": "ONE_TEXT_PREFIX RecordingFormat",
    "rtbench.plugin.registry": "Register",
    "rtbench.plugin.reporting": "FolderReporter Reporter",
    "rtbench.plugin.run_services": "RunServices",
    "rtbench.plugin.services": "Services",
    "rtbench.plugin.tasks": "Extractor ReadsConclusions Task",
    "rtbench.reporting.accuracy": "Scored precision_of",
    "rtbench.reporting.answers": (
        "ScoredAnswer asked_as check_scored checkpoint_of answers_of answers_by_extractor scored_by scored_cells shown_by"
    ),
    "rtbench.reporting.build": "build_leaderboard",
    "rtbench.reporting.cells": "find_cell",
    "rtbench.reporting.claims.contract": "CellComparison Claim ClaimSet UntestedError claim_set",
    "rtbench.reporting.claims.evaluation": "evaluate_claims",
    "rtbench.reporting.claims.evidence": "CellPair TeacherId View match_cells teacher_of",
    "rtbench.reporting.compare": "CellScores close_to_best",
    "rtbench.reporting.endings": "WARN_ABOVE counts_of_answers",
    "rtbench.steps.spending": "spending_of summed",
    "rtbench.reporting.pareto": "pareto_front",
    "rtbench.reporting.wrong_answers": "CATEGORIES categories_of",
    "rtbench.schema.base": "REFUSALS Family FinishReason Fold NotNegative Positive Record RefusalKind Source",
    "rtbench.schema.claims": "ClaimResult Effort PartialComparison Reported Verdict",
    "rtbench.schema.completions": "Completion ModelSpec Prefill Request Sampling Usage completion_of",
    "rtbench.schema.effort": "UNKNOWN Cost Efficiency TrainingEffort",
    "rtbench.schema.environment": "Environment",
    "rtbench.schema.logprobs": "MOST_ALTERNATIVES TokenLogprobs token_logprobs",
    "rtbench.schema.matrix": "CellSelector",
    "rtbench.schema.leaderboard": "CellResult Leaderboard LeaderboardRow RequestCounts in_percent",
    "rtbench.schema.money": "Account BudgetCap Price Spending money_text",
    "rtbench.schema.objectives": "Grpo Logits Objective ObjectiveName Objectives OnPolicy",
    "rtbench.schema.progress": "Progress no_progress throttled",
    "rtbench.schema.prompts": "PromptFormat Template",
    "rtbench.schema.recordings": "RecordedEntry Recording Unmatched",
    "rtbench.schema.results": "CompleteResult ScoreResult StepResult decode_result",
    "rtbench.schema.runs": "CellRecord RunRecord",
    "rtbench.schema.scores": "Interval Score ScoreSummary",
    "rtbench.schema.steps": "CompleteSpec CurateSpec Duration LikelihoodSpec Outcome Resources ScoreSpec Step StepState TrainSpec",
    "rtbench.schema.tasks": "Demonstration Questions RationaleSource Sample Split TaskData TaskInfo",
    "rtbench.schema.training": "Candidate CurationYield Example Recipe TrainReport TrainingRow",
    "rtbench.scoring.answer_rule": "AnswerType",
    "rtbench.scoring.equations": "equations_in",
    "rtbench.scoring.golds": "is_number",
    "rtbench.scoring.parting": "Tags part_thinking",
    "rtbench.scoring.text": "choices_in squeezed",
    "rtbench.stats.bootstrap": "Bootstrap SINGLE_TASK_RESAMPLES RESAMPLES",
    "rtbench.stats.intervals": "CONFIDENCE",
    "rtbench.stats.paired": "Difference difference in_common",
    "rtbench.steps.curate": "examples_of",
    "rtbench.steps.generation": "answered",
    "rtbench.steps.prompts": "demonstrations_text fields_of shots",
    "rtbench.steps.run": "Launch do_work run_step",
    "rtbench.steps.score": "scores_of",
    "rtbench.steps.selection": "questions_of",
    "rtbench.storage.budget": "CALLS_AHEAD Budget BudgetSpentError nano",
    "rtbench.storage.digested": "digested save_digested",
    "rtbench.storage.files": "file_digest file_name",
    "rtbench.storage.keys": "content_key derived_seed",
    "rtbench.storage.ledger": "Partition make_request",
    "rtbench.storage.locks": "locked",
    "rtbench.storage.records": "read_record write_record",
    "rtbench.storage.paths": "check_label inside resolved user_path",
    "rtbench.storage.place": "Place",
    "rtbench.storage.places": "cache_folder",
    "rtbench.storage.plain_data": "convert",
    "rtbench.storage.reading": "decode_json jsonl_lines read_bytes read_json read_jsonl text_in",
    "rtbench.storage.runs": "Runs",
    "rtbench.storage.store": "Store digests",
    "rtbench.storage.tables": "TableRow is_table read_rows",
    "rtbench.storage.yaml_files": "read_yaml",
    "rtbench.storage.writing": "as_json atomic_write naming write_atomic write_json write_jsonl",
    "rtbench.texts": (
        "csv_field json_text latex_text markdown_block markdown_code markdown_text script_json shortened_error shown "
        "shown_in_line without_halves without_secrets without_styles"
    ),
}
"""Names by module, for lazy imports at run time. A test checks that they equal the imports above."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
"""Module of each name."""


__getattr__ = _importer(__name__, _HOMES)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*_HOMES, "open_services"])


def open_services(environment: Environment) -> Services:
    """Return the services of an environment. Worker processes of executors use this.

    Raises:
        PluginError: a plugin cannot be loaded.
    """
    from rtbench.session import Session

    return Session(environment)


__all__ = [
    "CALLS_AHEAD",
    "CATEGORIES",
    "CONFIDENCE",
    "MOST_ALTERNATIVES",
    "ONE_TEXT_PREFIX",
    "REFUSALS",
    "RESAMPLES",
    "SINGLE_TASK_RESAMPLES",
    "SPAN_WORDS",
    "UNKNOWN",
    "WARN_ABOVE",
    "Account",
    "AnswerType",
    "AskedStep",
    "BadInputError",
    "Bootstrap",
    "Budget",
    "BudgetCap",
    "BudgetSpentError",
    "Candidate",
    "Cell",
    "CellComparison",
    "CellPair",
    "CellRecord",
    "CellResult",
    "CellScores",
    "CellSelector",
    "Claim",
    "ClaimResult",
    "ClaimSet",
    "CompleteResult",
    "CompleteSpec",
    "Completion",
    "Cost",
    "CurateSpec",
    "CurationContext",
    "CurationYield",
    "Curator",
    "DamagedError",
    "DataFiles",
    "Demonstration",
    "Difference",
    "Duration",
    "Efficiency",
    "Effort",
    "Environment",
    "Example",
    "Executor",
    "Extractor",
    "Family",
    "FinishReason",
    "Fold",
    "FolderReporter",
    "Grpo",
    "Interval",
    "Launch",
    "Leaderboard",
    "LeaderboardRow",
    "LikelihoodSpec",
    "Listener",
    "Logits",
    "Machine",
    "Method",
    "MissingDataError",
    "MissingExtraError",
    "ModelServices",
    "ModelSpec",
    "NotNegative",
    "NotYetError",
    "Objective",
    "ObjectiveName",
    "Objectives",
    "OnPolicy",
    "Outcome",
    "PartialComparison",
    "Partition",
    "PinnedFile",
    "Place",
    "Plan",
    "PlannedCell",
    "PluginError",
    "Positive",
    "Prefill",
    "Price",
    "Progress",
    "PromptFormat",
    "Questions",
    "RationaleSource",
    "ReadsConclusions",
    "Recipe",
    "Record",
    "RecordedEntry",
    "Recording",
    "RecordingFormat",
    "RefusalKind",
    "Register",
    "Reported",
    "Reporter",
    "Request",
    "RequestCounts",
    "Resources",
    "RtbenchError",
    "RunRecord",
    "RunServices",
    "Runs",
    "SafeConsole",
    "Sample",
    "Sampling",
    "Score",
    "ScoreResult",
    "ScoreSpec",
    "ScoreSummary",
    "Scored",
    "ScoredAnswer",
    "Services",
    "Source",
    "Spending",
    "Split",
    "Step",
    "StepBuilder",
    "StepFailedError",
    "StepResult",
    "StepState",
    "Store",
    "Student",
    "TableRow",
    "Tags",
    "Task",
    "TaskData",
    "TaskInfo",
    "Teacher",
    "TeacherId",
    "Template",
    "TextModel",
    "TokenLogprobs",
    "TrainJob",
    "TrainReport",
    "TrainSpec",
    "TrainingEffort",
    "TrainingRow",
    "UnavailableError",
    "UnknownNameError",
    "Unmatched",
    "UntestedError",
    "Usage",
    "Verdict",
    "View",
    "answered",
    "answers_by_extractor",
    "answers_of",
    "as_json",
    "asked_as",
    "atomic_write",
    "build_leaderboard",
    "cache_folder",
    "categories_of",
    "check_label",
    "check_scored",
    "checkpoint_of",
    "choices_in",
    "claim_set",
    "close_to_best",
    "complete_run",
    "completion_of",
    "content_key",
    "convert",
    "counts_of_answers",
    "cpu_count",
    "csv_field",
    "decode_json",
    "decode_result",
    "demonstrations_text",
    "derived_seed",
    "difference",
    "digested",
    "digests",
    "do_work",
    "echo",
    "echo_rendered",
    "equations_in",
    "evaluate_claims",
    "examples_of",
    "fields_of",
    "file_digest",
    "file_name",
    "find_cell",
    "format_option",
    "gpu_count",
    "here",
    "hookimpl",
    "in_common",
    "in_percent",
    "inside",
    "is_number",
    "is_table",
    "json_text",
    "jsonl_lines",
    "latex_text",
    "listed",
    "locked",
    "make_request",
    "markdown_block",
    "markdown_code",
    "markdown_text",
    "match_cells",
    "memory_gb",
    "money_text",
    "name_list",
    "naming",
    "nano",
    "no_progress",
    "open_services",
    "pareto_front",
    "part_thinking",
    "precision_of",
    "prepare_streams",
    "print_json",
    "print_table",
    "questions_of",
    "read_bytes",
    "read_json",
    "read_jsonl",
    "read_record",
    "read_rows",
    "read_yaml",
    "resolved",
    "run_step",
    "save_digested",
    "scored_by",
    "scored_cells",
    "scores_of",
    "script_json",
    "shortened_error",
    "shots",
    "shown",
    "shown_by",
    "shown_in_line",
    "spans_of",
    "spending_of",
    "squeezed",
    "summed",
    "teacher_of",
    "text_in",
    "throttled",
    "to_paste",
    "token_logprobs",
    "user_path",
    "with_session",
    "without_halves",
    "without_secrets",
    "without_styles",
    "words_of",
    "write_atomic",
    "write_json",
    "write_jsonl",
    "write_record",
]
