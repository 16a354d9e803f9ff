"""What a finished run says: leaderboard, answers, comparisons, money, wrong answers."""
