"""Coin Flip: see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("coin_flip", "500 questions whether a coin is heads up after some flips")
