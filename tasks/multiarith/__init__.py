"""MultiArith: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("multiarith", "600 two-step arithmetic word problems")
