"""A reporter: one line per row of the leaderboard, the best first.

rtbench report --plugin examples/ranking.py --format ranking
"""

from rtbench.api import Reporter, hookimpl, in_percent, shown_in_line


class Ranking(Reporter):
    name = "ranking"

    def render(self, leaderboard):
        rows = [row for row in leaderboard.rows if row.mean is not None]
        rows.sort(key=lambda row: row.mean, reverse=True)
        lines = [f"{place}. {in_percent(row.mean)} % {described(row)}" for place, row in enumerate(rows, start=1)]
        return "\n".join([f"{leaderboard.run}: mean over {', '.join(leaderboard.tasks)}", *lines])


def described(row):
    degree = None if row.degree is None else f"{row.degree} per question"
    parts = [row.method, row.teacher, row.student, degree]
    return shown_in_line(", ".join(part for part in parts if part))


@hookimpl
def rtbench_register_reporters(register):
    register("ranking", Ranking, summary="rows by accuracy")
