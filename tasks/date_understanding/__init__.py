"""Date Understanding: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("date_understanding", "369 questions on dates with up to six choices")
