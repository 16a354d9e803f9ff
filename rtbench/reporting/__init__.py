"""Results of a finished run: leaderboard, answers, comparisons, costs, wrong answers."""
