"""GSM8K: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("gsm8k", "8,792 grade-school word problems with human solutions")
