"""Lines below a leaderboard, in every format: what the numbers measure, what they cost, what is missing and why."""

from __future__ import annotations

from rtbench_plugins.reporters.efficiency import per_lines, what_is_shown
from rtbench_plugins.reporters.endings import named, request_lines
from rtbench_plugins.reporters.wording import intervals, sources

from rtbench.api import SPAN_WORDS, Leaderboard, Spending, in_percent, listed, money_text

_UNEQUAL = 1.01
"""Ratio above which numbers of optimiser steps count as unequal."""


def notes(board: Leaderboard) -> list[str]:
    """Return what a reader needs to know to read the numbers."""
    splits = sorted({row.split for row in board.rows if row.split})
    measured_on = sources(board)
    wordings = sorted({v for row in board.rows if row.source == "upstream" for v in row.variant.split("/") if v})
    data = ", ".join(measured_on) + (f" (wording: {', '.join(wordings)})" if wordings else "")
    accuracy = f"Accuracy in percent with a 95 % interval ({_intervals(board)})"
    lines = [
        (
            f"{accuracy if board.per is None else what_is_shown(board)}; "
            f"extractor: {_extractors(board)}; source: {data}; split: {', '.join(splits)}; "
            f"{seeds_of(board)}; {_made_by(board)}{f', {board.made}' if board.made else ''}."
        )
    ]
    lines += per_lines(board) + _kept_by(board) + _about_twins(board)
    lines += [f"{student}: {text}." for student, text in board.students.items()]
    lines += _recipes(board)
    for task in board.tasks:
        results = [row.results[task] for row in board.rows if task in row.results]
        cut, prompts = max((r.rows_cut for r in results), default=0), max((r.prompts_cut for r in results), default=0)
        if cut or prompts:
            lines.append(
                f"{task}: up to {cut} training rows and {prompts} test prompts per cell were cut to fit the model."
            )
    lines += _limits(board) + _random_weights(board) + _best_test(board) + _unequal_steps(board)
    curated = {f"{row.teacher} D={row.degree}": ", ".join(row.curators) for row in board.rows if row.curators}
    lines += [f"Curators of {whose}: {names}." for whose, names in curated.items()]
    if any(row.selection == "val-accuracy" for row in board.rows):
        lines.append(
            "val-accuracy: the epoch that answered most held-out training questions correctly, by the extractor of the row."
        )
    if any(row.tries is not None for row in board.rows):
        lines.append(
            "≤N tries: each training question was asked until D rationales were right by the extractor of the row, at most N times."
        )
    lines += _recorded(board) + _reported(board)
    lines += _sizes(board) + _overlap(board) + _below_guessing(board)
    lines += [
        f"{row.method} {row.teacher or ''} on {task}: {result.missing} questions of the fold have no "
        f"{'recording' if row.completions == 'recorded' else 'answer and are not scored'}."
        for row in board.rows
        for task, result in row.results.items()
        if result.missing
    ]
    return lines + request_lines(board)


def essentials(board: Leaderboard) -> list[str]:
    """Return the notes without which the numbers would mislead."""
    return [
        *_kept_by(board),
        *_limits(board),
        *_random_weights(board),
        *_best_test(board),
        *_unequal_steps(board),
        *_recorded(board),
        *_reported(board),
        *_nearly_identical(board),
    ]


def _made_by(board: Leaderboard) -> str:
    """Return the versions of rtbench and of the third-party plugins."""
    others = ", ".join(f"{name} {version}" for name, version in board.plugins.items())
    return f"rtbench {board.version}{f' with {others}' if others else ''}"


def _best_test(board: Leaderboard) -> list[str]:
    on_test = {row.kind == "reported" for row in board.rows if row.selection == "best-test"}
    if not on_test:
        return []
    whose = " (only in the paper's rows)" if on_test == {True} else ""
    return [
        f"best-test{whose}: the epoch with the highest test accuracy (the paper's protocol); it overstates accuracy."
    ]


def _unequal_steps(board: Leaderboard) -> list[str]:
    """Return by how much the optimiser steps of one student's trainings on one task differ."""
    steps: dict[tuple[str | None, str], list[float]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.effort is not None and result.effort.steps:
                steps.setdefault((row.student, task), []).append(result.effort.steps)
    spans: dict[str, str] = {}
    for (student, task), found in steps.items():
        if max(found) > _UNEQUAL * min(found):
            spans.setdefault(f"{min(found):,.0f} to {max(found):,.0f}", f"{student} on {task}")
    if not spans:
        return []
    shown = listed([f"{span} ({where})" for span, where in spans.items()], 2)
    return [f"Optimiser steps differ between rows of one student and task: {shown}."]


def _recorded(board: Leaderboard) -> list[str]:
    if not any(row.completions == "recorded" for row in board.rows):
        return []
    return [
        "(recorded): the teacher's completions were not generated by rtbench; they are recordings, or came with the data."
    ]


def _reported(board: Leaderboard) -> list[str]:
    if not any(row.kind == "reported" for row in board.rows):
        return []
    origin = "figures from the paper, measured by its authors"
    if "twin" in sources(board):
        return [
            f"(reported, upstream): {origin} on the published questions; do not compare them with rows on a twin's questions."
        ]
    return [f"(reported): {origin}."]


def _kept_by(board: Leaderboard) -> list[str]:
    """Return what the run's own extractor decided, where the leaderboard shows another extractor."""
    measured = [row for row in board.rows if row.kind == "measured"]
    decided = ["rationales were kept"] if any(row.degree for row in measured) else []
    decided += ["epochs were chosen"] if any(row.selection in {"best-test", "val-accuracy"} for row in measured) else []
    if not board.kept_by or not decided:
        return []
    return [f"The extractor shown is not the one by which {' and '.join(decided)}: {board.kept_by}."]


def _intervals(board: Leaderboard) -> str:
    """Return the methods by which the shown intervals were computed."""
    results = [result for row in board.rows for result in row.results.values()]
    methods = [intervals({result.interval.method for result in results if result.interval})]
    if any(row.measured > 1 and row.mean_interval for row in board.rows):
        methods.append("for means: Jeffreys")
    return "; ".join(methods)


def _extractors(board: Leaderboard) -> str:
    """Return the names of the extractors, each with the versions that scored the answers."""
    used: dict[str, set[int]] = {}
    for row in board.rows:
        if row.extractor and row.kind != "reported":
            versions = {r.extractor_version for r in row.results.values() if r.extractor_version is not None}
            used.setdefault(row.extractor, set()).update(versions)
    named = [f"{name} {'/'.join(f'v{version}' for version in sorted(used[name]))}".rstrip() for name in sorted(used)]
    return ", ".join(named) or "none"


def seeds_of(board: Leaderboard) -> str:
    """Return the seeds of the cells. Rows without training may have fewer seeds than the others."""
    sets = {r.seed_values for row in board.rows for r in row.results.values() if r.seed_values}
    if len(sets) <= 1:
        values = [str(seed) for seeds in sets for seed in seeds]
        return f"seed{'s' if len(values) > 1 else ''}: {', '.join(values) or 'none'}"
    each = [", ".join(map(str, seeds)) for seeds in sorted(sets, key=lambda seeds: (-len(seeds), seeds))]
    return f"seeds: {' or '.join(each)}, depending on the row"


def _limits(board: Leaderboard) -> list[str]:
    limits = sorted({row.limit for row in board.rows if row.limit is not None})
    if not limits:
        return []
    fractions = any(row.fraction != 1.0 for row in board.rows)
    of_fraction = (
        " (of a fraction of the training questions, the first questions of that fraction)" if fractions else ""
    )
    return [f"Only the first {limits[0]} questions of each fold were used{of_fraction}."]


def _random_weights(board: Leaderboard) -> list[str]:
    """Return a warning about students that were not pre-trained, whose runs are smoke tests."""
    students = sorted({row.student for row in board.rows if row.random_weights and row.student})
    if not students:
        return []
    warning = "a smoke test: its accuracies say nothing about pre-trained models or the paper's claims"
    return [f"{', '.join(students)}: random weights before training; {warning}."]


def _below_guessing(board: Leaderboard) -> list[str]:
    """Return the rows that are significantly below guessing, as happens where completions have no answer."""
    guess = {task: r.accuracy for row in board.rows if row.kind == "random" for task, r in row.results.items()}
    below: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            chance = guess.get(task)
            if row.kind == "measured" and result.interval and chance and result.interval.high < chance:
                below.setdefault(named(row), {})[task] = None
    if not below:
        return []
    rows = "; ".join(f"{name} on {', '.join(tasks)}" for name, tasks in below.items())
    return [f"Worse than guessing: {rows}. A completion without an answer counts as wrong; `rtbench errors` shows why."]


def _about_twins(board: Leaderboard) -> list[str]:
    """Return how the numbers are affected by twins' questions, changed knobs and folds other than test."""
    lines: list[str] = []
    if any(row.source == "twin" for row in board.rows):
        lines.append(
            "Source twin: questions generated by the tasks' procedural twins, not the published questions. Each seed has "
            "its own questions, folds and teacher completions, so n is the sum over seeds."
        )
    turned = sorted({row.variant.removeprefix("twin ") for row in board.rows if row.variant.startswith("twin (")})
    lines += [f"Knobs changed from their defaults: {knobs.strip('()')}." for knobs in turned]
    folds = {row.fold for row in board.rows}
    if "ood" in folds:
        harder = "questions from the knobs for ood" if turned else "questions harder than all training questions"
        lines.append(f"ood: {harder}.")
    if "validation" in folds:
        lines.append("validation: the fold for choosing settings; these accuracies are not results.")
    return lines


def _sizes(board: Leaderboard) -> list[str]:
    """Return the number of questions of each task, with the number per seed (twins) and of patterns where they differ."""
    lines: list[str] = []
    for fold in dict.fromkeys(row.fold for row in board.rows if row.kind not in {"random", "reported"}):
        sizes: list[str] = []
        for task in board.tasks:
            rows = [row for row in board.rows if row.fold == fold and task in row.results and row.results[task].n]
            if rows:
                largest = max(rows, key=lambda row: row.results[task].n)
                n, seeds = largest.results[task].n, largest.results[task].seeds
                more = [f"{seeds} seeds × {n // seeds}"] if largest.source == "twin" and seeds > 1 else []
                if (patterns := largest.results[task].patterns) is not None:
                    more.append(f"of {patterns} patterns")
                sizes.append(f"{task} {n}" + (f" ({', '.join(more)})" if more else ""))
        if sizes:
            lines.append(("n: " if fold == "test" else f"n on {fold}: ") + ", ".join(sizes))
    return lines


def _overlap(board: Leaderboard) -> list[str]:
    """Return how many test questions of each task are also in its training questions."""
    tasks = [
        f"{task} (of {overlap.test} test questions): {overlap.exact} identical, {overlap.up_to_numbers} identical except "
        f"for numbers, {overlap.shared_span} share a {SPAN_WORDS}-word span"
        for task, overlap in board.overlap.items()
        if max(overlap.exact, overlap.up_to_numbers, overlap.shared_span)
    ]
    whole = " Whole folds are counted." if any(row.limit is not None for row in board.rows) else ""
    return [f"Train/test overlap: {'; '.join(tasks)}.{whole}"] if tasks else []


def _nearly_identical(board: Leaderboard) -> list[str]:
    """Return how many test questions of each task equal a training question, numbers aside."""
    tasks = [
        f"{task} {overlap.up_to_numbers} of {overlap.test}"
        for task, overlap in board.overlap.items()
        if overlap.up_to_numbers
    ]
    return [f"Test questions that equal a training question except for numbers: {', '.join(tasks)}."] if tasks else []


def _recipes(board: Leaderboard) -> list[str]:
    """Return the recipes by which students were trained: the most frequent, then the others with their rows."""
    recipes: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.recipe is not None:
                r = result.recipe
                length = f"epochs {r.epochs}" if r.steps is None else f"steps {r.steps}"
                recipe = (
                    f"{length}, batch {r.batch_size}, {r.optimizer}, learning rate {r.learning_rate:g} {r.schedule}"
                )
                place = f"{row.method} {task}" if row.degree in {None, 1} else f"{row.method} D={row.degree} {task}"
                recipes.setdefault(recipe, {})[place] = None
    usual = max(recipes, key=lambda recipe: len(recipes[recipe]), default=None)
    lines = [f"Training: {usual}."] if usual else []
    lines += [f"Training, {recipe}: {', '.join(places)}." for recipe, places in recipes.items() if recipe != usual]
    return lines + _objectives(board) + _training_rows(board)


def _objectives(board: Leaderboard) -> list[str]:
    """Return the settings of objectives that differ from the defaults."""
    results = [result for row in board.rows for result in row.results.values()]
    found = dict.fromkeys(r.recipe.objectives for r in results if r.recipe is not None and r.recipe.objectives)
    lines: list[str] = []
    for objectives in found:
        for settings in (objectives.logits, objectives.on_policy, objectives.grpo):
            usual = type(settings)()
            changed = [name for name in settings.__struct_fields__ if getattr(settings, name) != getattr(usual, name)]
            texts = [f"{name.replace('_', ' ')} {getattr(settings, name)}" for name in changed]
            lines += [f"Objective {settings.__struct_config__.tag}: {', '.join(texts)}."] if texts else []
    return lines


def _training_rows(board: Leaderboard) -> list[str]:
    """Return the numbers of training rows, by method, degree and fraction."""
    by_name: dict[str, list[int]] = {}
    for row in board.rows:
        fraction = "" if row.fraction == 1.0 else f" {in_percent(row.fraction, None)}%"
        name = " ".join([row.method, *([f"D={row.degree}"] if row.degree else [])]) + fraction
        counts = [r.training_rows for r in row.results.values() if r.training_rows is not None]
        by_name.setdefault(name, []).extend(counts)
    counted = [
        f"{name} {min(rows):,}" + (f" to {max(rows):,}" if max(rows) > min(rows) else "")
        for name, rows in by_name.items()
        if rows
    ]
    return [f"Training rows: {'; '.join(counted)}."] if counted else []


def yield_lines(board: Leaderboard) -> list[str]:
    """Return the yield of curation, a line per teacher, degree, fraction and task, or tasks that are trained on together.

    Where methods have different yields, each has its own line.
    """
    lines: dict[str, dict[str, str]] = {}
    """Yields by what was curated, then by method."""
    for row in board.rows:
        fraction = "" if row.fraction == 1.0 else f" {in_percent(row.fraction, None)}% of questions"
        for task, result in row.results.items():
            yielded = result.curation
            if row.teacher and yielded is not None and yielded.completions:
                whose = f"{row.teacher} D={row.degree}{fraction} {'+'.join(row.train_tasks) or task}"
                lines.setdefault(whose, {})[row.method] = (
                    f"kept {yielded.kept} of {yielded.completions} completions, which cover {yielded.covered} of "
                    f"{yielded.questions} questions"
                )
    out: list[str] = []
    for whose, by_method in lines.items():
        if len(set(by_method.values())) == 1:
            out.append(f"{whose}: {next(iter(by_method.values()))}")
        else:
            out += [f"{whose}, {method}: {text}" for method, text in by_method.items()]
    return out


def cost_lines(board: Leaderboard) -> list[str]:
    """Return what was spent: by teacher, student and judge, and for the rationales of each teacher, degree and task.

    Amounts are in the currency of each price list.
    """
    lines = dict.fromkeys(spending_lines(board))
    for row in board.rows:
        for task, result in row.results.items():
            if result.spending is None or result.curation is None:
                continue
            kept, cost = result.curation.kept, result.spending
            each = f"{money_text(cost.money / kept, cost.currency)} per kept rationale" if kept else "none kept"
            fraction = "" if row.fraction == 1.0 else f" {in_percent(row.fraction, None)}%"
            lines[f"{row.teacher} D={row.degree} {task}{fraction}: {_money(cost)}, {each}"] = None
    return list(lines)


def spending_lines(board: Leaderboard) -> list[str]:
    """Return what was spent on each teacher, student and judge."""
    lines: dict[str, None] = {}
    for teacher, cost in board.spending.items():
        dated = f", price of {cost.as_of}" if cost.as_of else ""
        lines[
            f"{teacher}: {_money(cost)} for {cost.completions:,} completions in finished steps "
            f"({cost.prompt_tokens:,} prompt tokens and {cost.completion_tokens:,} completion tokens{dated})"
        ] = None
    for student, cost in board.spending_on_students.items():
        lines[f"{student}: {_money(cost)} for {cost.trainings} trainings and {cost.completions:,} completions"] = None
    for row in board.rows:
        for task, result in row.results.items():
            for judge, cost in (result.curation.judged if result.curation else {}).items():
                lines[f"judge {judge}: {_money(cost)} for {cost.completions:,} rationales of {task}"] = None
    return list(lines)


def at_k_lines(board: Leaderboard) -> list[str]:
    """Return pass@k and maj@k, in percent, of rows with several completions per question."""
    lines: list[str] = []
    for row in board.rows:
        for task, result in row.results.items():
            if result.metrics is None or not result.metrics.at_k:
                continue
            curve = [f"k={at.k} {in_percent(at.pass_at_k)} and {in_percent(at.maj_at_k)}" for at in result.metrics.at_k]
            lines.append(f"{named(row)} on {task}: pass@k and maj@k in percent, {', '.join(curve)}")
    return lines


def _money(cost: Spending) -> str:
    more = f" plus the unknown cost of {cost.uncounted} completions" if cost.uncounted else ""
    return f"{money_text(cost.money, cost.currency)}{more}"


def missing_lines(board: Leaderboard) -> list[str]:
    """Return why cells have no result, with up to three cells per reason."""
    by_reason: dict[str, list[str]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.reason:
                by_reason.setdefault(result.reason, []).append(f"{task} {named(row)}")
    return [f"{listed(cells, 3)}: {' '.join(reason.splitlines())}" for reason, cells in by_reason.items()]
