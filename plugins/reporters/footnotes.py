"""What stands below a leaderboard, whoever prints it: what the numbers are of, what they cost, what is missing and why."""

from __future__ import annotations

from rtbench_plugins.reporters.wording import describe, intervals, sources

from rtbench.api import RUN, Leaderboard, LeaderboardRow, Spending, in_percent


def notes(board: Leaderboard) -> list[str]:
    """What must stand beside the numbers."""
    splits = sorted({row.split for row in board.rows if row.split})
    found_in = sources(board)
    wordings = sorted({v for row in board.rows if row.source == "upstream" for v in row.variant.split("/") if v})
    data = ", ".join(found_in) + (f" (wording: {', '.join(wordings)})" if wordings else "")
    lines = [
        (
            f"Accuracy in percent with a 95 % interval ({_intervals(board)}); "
            f"extractor: {_extractors(board)}; source: {data}; split: {', '.join(splits)}; "
            f"{_seeds(board)}; rtbench {board.version}{f', {board.made}' if board.made else ''}."
        )
    ]
    lines += _kept_by(board) + _about_twins(board)
    lines += _recipes(board)
    for task in board.tasks:
        found = [row.results[task] for row in board.rows if task in row.results]
        cut, prompts = max((r.rows_cut for r in found), default=0), max((r.prompts_cut for r in found), default=0)
        if cut or prompts:
            lines.append(f"{task}: up to {cut} training rows and {prompts} test prompts of a cell were cut to fit.")
    lines += _limits(board) + _random_weights(board)
    if flattered := {row.kind == "reported" for row in board.rows if row.selection == "best-test"}:
        whose = " (of the paper's rows alone)" if flattered == {True} else ""
        lines.append(f"best-test{whose}: the epoch is chosen by test accuracy (the paper's protocol); it flatters.")
    if any(row.completions == "recorded" for row in board.rows):
        lines.append("(recorded): the teacher's completions are recordings made elsewhere.")
    if any(row.kind == "reported" for row in board.rows):
        said = "figures printed in the paper, measured by its authors"
        lines.append(
            f"(reported, upstream): {said} on the published questions: no yardstick for rows of the twins' questions."
            if "twin" in found_in
            else f"(reported): {said}."
        )
    lines += _sizes(board) + _overlap(board) + _below_guessing(board)
    lines += [
        f"{row.method} {row.teacher or ''} on {task}: {result.missing} questions of the fold have no recording."
        for row in board.rows
        for task, result in row.results.items()
        if result.missing
    ]
    return lines


def _kept_by(board: Leaderboard) -> list[str]:
    """Where another extractor is shown than the run's own: what that one decided."""
    measured = [row for row in board.rows if row.kind == "measured"]
    decided = ["rationales were kept"] if any(row.degree for row in measured) else []
    decided += ["epochs were chosen"] if any(row.selection == "best-test" for row in measured) else []
    if not board.kept_by or not decided:
        return []
    return [f"Another extractor is shown than the one by which {' and '.join(decided)}: {board.kept_by}."]


def _intervals(board: Leaderboard) -> str:
    """How the intervals that are shown were made."""
    results = [result for row in board.rows for result in row.results.values()]
    found = {result.interval.method for result in results if result.interval}
    said = [intervals(found)]
    if any(row.measured > 1 and row.mean_interval for row in board.rows):
        said.append("of the mean: Jeffreys")
    return "; ".join(said)


def _extractors(board: Leaderboard) -> str:
    """Names, with the versions that judged."""
    found: dict[str, set[int]] = {}
    for row in board.rows:
        if row.extractor and row.kind != "reported":
            versions = {r.extractor_version for r in row.results.values() if r.extractor_version is not None}
            found.setdefault(row.extractor, set()).update(versions)
    named = [f"{name} {'/'.join(f'v{one}' for one in sorted(found[name]))}".rstrip() for name in sorted(found)]
    return ", ".join(named) or "none"


def _seeds(board: Leaderboard) -> str:
    """The seeds of the cells; what is not trained has fewer."""
    found = {r.seed_values for row in board.rows for r in row.results.values() if r.seed_values}
    if len(found) <= 1:
        values = [str(seed) for seeds in found for seed in seeds]
        return f"seed{'s' if len(values) > 1 else ''}: {', '.join(values) or 'none'}"
    each = [", ".join(map(str, seeds)) for seeds in sorted(found, key=lambda seeds: (-len(seeds), seeds))]
    return f"seeds: {' or '.join(each)} by row"


def _limits(board: Leaderboard) -> list[str]:
    limits = sorted({row.limit for row in board.rows if row.limit is not None})
    if not limits:
        return []
    parts = any(row.fraction != 1.0 for row in board.rows)
    of_part = "; of a part of the training questions, the first of that part" if parts else ""
    return [f"Only the first {limits[0]} questions of each fold were used{of_part}."]


def _random_weights(board: Leaderboard) -> list[str]:
    """Of students that show that things work, not what can be learned."""
    found = sorted({row.student for row in board.rows if row.random_weights and row.student})
    if not found:
        return []
    said = "it knows no language, so that its figures say nothing of what a pre-trained model would learn"
    return [f"{', '.join(found)}: random weights before training; {said}, nor of the paper's claims."]


def _below_guessing(board: Leaderboard) -> list[str]:
    """Rows that are worse than a guess, which is what texts without an answer come to."""
    guess = {task: r.accuracy for row in board.rows if row.kind == "random" for task, r in row.results.items()}
    found: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            chance = guess.get(task)
            if row.kind == "measured" and result.interval and chance and result.interval.high < chance:
                found.setdefault(_name(row), {})[task] = None
    if not found:
        return []
    said = "; ".join(f"{name} on {', '.join(tasks)}" for name, tasks in found.items())
    return [
        f"Below what guessing gets: {said}. A text without an answer counts as wrong (`rtbench errors` says what went wrong)."
    ]


def _about_twins(board: Leaderboard) -> list[str]:
    """What another kind of question means for the numbers."""
    lines: list[str] = []
    if any(row.source == "twin" for row in board.rows):
        lines.append(
            "Source twin: questions drawn by the tasks' procedural twins, not the published ones. Each seed has its own "
            "questions, folds and teacher's draws: n adds up over seeds."
        )
    turned = sorted({row.variant.removeprefix("twin ") for row in board.rows if row.variant.startswith("twin (")})
    lines += [f"Knobs that were turned: {knobs.strip('()')}." for knobs in turned]
    folds = {row.fold for row in board.rows}
    if "ood" in folds:
        harder = "questions of the knobs for ood" if turned else "questions harder than any that was trained on"
        lines.append(f"ood: {harder}.")
    if "validation" in folds:
        lines.append("validation: the fold to choose settings on; no result.")
    return lines


def _sizes(board: Leaderboard) -> list[str]:
    """Questions by task; where seeds have questions of their own, how many each has; and patterns, where fewer."""
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
    """Of tasks whose test questions stand in their training questions."""
    told = [
        f"{task} {one.exact} exact, {one.up_to_numbers} up to numbers, {one.run} by {RUN} words in a row (of {one.test})"
        for task, one in board.overlap.items()
        if max(one.exact, one.up_to_numbers, one.run)
    ]
    whole = " The whole folds are counted." if any(row.limit is not None for row in board.rows) else ""
    return [f"Test questions that stand among the training questions: {'; '.join(told)}.{whole}"] if told else []


def _recipes(board: Leaderboard) -> list[str]:
    """The recipes that students were trained with, and where."""
    found: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.recipe is not None:
                r = result.recipe
                length = f"epochs {r.epochs}" if r.steps is None else f"steps {r.steps}"
                said = f"{length}, batch {r.batch_size}, {r.optimizer}, learning rate {r.learning_rate:g} {r.schedule}"
                place = f"{row.method} {task}" if row.degree in {None, 1} else f"{row.method} D={row.degree} {task}"
                found.setdefault(said, {})[place] = None
    usual = max(found, key=lambda said: len(found[said]), default=None)
    lines = [f"Training: {usual}."] if usual else []
    lines += [f"Training, {said}: {', '.join(places)}." for said, places in found.items() if said != usual]
    return lines + _training_rows(board)


def _training_rows(board: Leaderboard) -> list[str]:
    """On how many rows students were trained, by what they learned from."""
    found: dict[str, list[int]] = {}
    for row in board.rows:
        part = "" if row.fraction == 1.0 else f" {100 * row.fraction:g}%"
        name = " ".join([row.method, *([f"D={row.degree}"] if row.degree else [])]) + part
        counts = [r.training_rows for r in row.results.values() if r.training_rows is not None]
        found.setdefault(name, []).extend(counts)
    said = [
        f"{name} {min(rows):,}" + (f" to {max(rows):,}" if max(rows) > min(rows) else "")
        for name, rows in found.items()
        if rows
    ]
    return [f"Rows trained on: {'; '.join(said)}."] if said else []


def curated(board: Leaderboard) -> list[str]:
    """Yield of curation, one line per teacher, degree and task."""
    lines: dict[str, None] = {}
    for row in board.rows:
        if not row.teacher:
            continue
        part = "" if row.fraction == 1.0 else f" {100 * row.fraction:g}% of questions"
        for task, result in row.results.items():
            found = result.curation
            if found is not None and found.completions:
                lines[
                    f"{row.teacher} D={row.degree}{part} {task}: kept {found.kept} of {found.completions} completions, "
                    f"{found.covered} of {found.questions} questions covered"
                ] = None
    return list(lines)


def spent(board: Leaderboard) -> list[str]:
    """Money: by teacher and student, and for the rationales of each teacher, degree and task."""
    lines: dict[str, None] = {}
    for teacher, found in board.spending.items():
        dated = f", price of {found.as_of}" if found.as_of else ""
        lines[
            f"{teacher}: {_money(found)} for {found.completions:,} completions of finished steps ({found.prompt_tokens:,} prompt and "
            f"{found.completion_tokens:,} written tokens{dated})"
        ] = None
    for student, found in board.spending_on_students.items():
        lines[f"{student}: {_money(found)} for {found.trainings} trainings and {found.completions:,} completions"] = (
            None
        )
    for row in board.rows:
        for task, result in row.results.items():
            for judge, found in (result.curation.judged if result.curation else {}).items():
                lines[f"judge {judge}: {_money(found)} for {found.completions:,} rationales of {task}"] = None
            if result.spending is None or result.curation is None:
                continue
            kept = result.curation.kept
            each = (
                f"{result.spending.money / kept:.3g} {result.spending.currency} per kept rationale"
                if kept
                else "none kept"
            )
            name = f"{row.teacher} D={row.degree} {task}" + (f" {row.fraction:.0%}" if row.fraction != 1 else "")
            lines[f"{name}: {_money(result.spending)}, {each}"] = None
    return list(lines)


def several(board: Leaderboard) -> list[str]:
    """pass@k and maj@k of the rows whose model was asked for several completions of a question."""
    lines: list[str] = []
    for row in board.rows:
        for task, result in row.results.items():
            if result.metrics is None or not result.metrics.at_k:
                continue
            curve = [f"k={at.k} {in_percent(at.pass_at_k)} and {in_percent(at.maj_at_k)}" for at in result.metrics.at_k]
            lines.append(f"{_name(row)} on {task}: pass@k and maj@k in percent, {', '.join(curve)}")
    return lines


def _name(row: LeaderboardRow) -> str:
    """Method, student, teacher and degree, as far as it has them."""
    degree = [f"D={row.degree}"] if row.degree else []
    return " ".join([part for part in describe(row)[:3] if part != "–"] + degree)


def _money(found: Spending) -> str:
    more = f" and what {found.uncounted} uncounted completions cost" if found.uncounted else ""
    return f"{found.money:.4g} {found.currency}{more}"


def gaps(board: Leaderboard) -> list[str]:
    """Why cells have no number."""
    out: dict[str, list[str]] = {}
    for row in board.rows:
        for task, result in row.results.items():
            if result.reason:
                out.setdefault(result.reason, []).append(f"{task} {_name(row)}")
    return [
        f"{', '.join(cells[:3])}{f' and {len(cells) - 3} more' if len(cells) > 3 else ''}: {reason}"
        for reason, cells in out.items()
    ]
