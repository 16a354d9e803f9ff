"""SVAMP: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("svamp", "1,000 word problems varied to defeat shallow patterns")
