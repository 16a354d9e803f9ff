"""Tracking Shuffled Objects (three): see README.md."""

from rtbench_tasks._folder import TaskFolder

plugin = TaskFolder("tracking_shuffled_objects", "750 questions on three objects swapped three times")
