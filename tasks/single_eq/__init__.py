"""SingleEq: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("single_eq", "508 one-step to multi-step word problems with one equation")
