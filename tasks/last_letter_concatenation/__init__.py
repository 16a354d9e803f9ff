"""Last Letter Concatenation: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("last_letter_concatenation", "500 lists of four names whose last letters are joined")
