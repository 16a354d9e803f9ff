"""CommonsenseQA: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("commonsense_qa", "10,962 commonsense questions with five choices")
