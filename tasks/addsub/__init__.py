"""AddSub: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("addsub", "395 addition and subtraction word problems")
