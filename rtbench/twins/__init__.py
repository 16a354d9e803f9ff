"""Procedural twins: seeded generators of a task's questions, with the chain of steps behind each.

A twin draws problems (:meth:`Twin.draw`) and explains them (:meth:`Twin.explain`): the explanation is a small program
that computes the answer step by step and describes each step through a :class:`Narrator`. The narrator chooses among
wordings. Where its error rate is above 0, it makes mistakes, on which the following steps build. So one method serves
as solution, as scripted teacher and as a source of hundreds of distinct rationales.

Folds are disjoint by *pattern*: two problems of one pattern (operands, flip sequence, swap sequence …) are never in
different folds, whatever their names and wordings.
"""

from rtbench.twins.data import TwinData, dataset_of, task_and_setting, twin_data, twin_fingerprint
from rtbench.twins.folds import FOLDS
from rtbench.twins.naming import TwinSetting, setting_of, variant_of
from rtbench.twins.narrator import Narrator, near
from rtbench.twins.problem import Knobs, Problem, lettered
from rtbench.twins.twin import Twin

__all__ = [
    "FOLDS",
    "Knobs",
    "Narrator",
    "Problem",
    "Twin",
    "TwinData",
    "TwinSetting",
    "dataset_of",
    "lettered",
    "near",
    "setting_of",
    "task_and_setting",
    "twin_data",
    "twin_fingerprint",
    "variant_of",
]
