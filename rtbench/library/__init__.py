"""rtbench from Python: ``import rtbench; run = rtbench.run("pocket", tasks=["multiarith"])``. See docs/python.md."""
