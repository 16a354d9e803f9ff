"""StrategyQA: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("strategy_qa", "2,290 yes/no questions that need implicit steps")
