"""AQuA-RAT: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("aqua", "algebra questions with five choices and human rationales")
