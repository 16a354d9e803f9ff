"""Curators: which completions become training examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_curators(register: Register) -> None:
    here = "rtbench_plugins.curation"
    register("correct", f"{here}.basic:correct", summary="the answer is right")
    register("distinct", f"{here}.basic:distinct", summary="no rationale twice for a question")
    register("non-empty", f"{here}.basic:non_empty", summary="there is a rationale")
    register("complete", f"{here}.basic:complete", summary="not cut at the most new tokens")
    register("unhinted", f"{here}.basic:unhinted", summary="speaks of no hint that the question does not hold")
    register("length", f"{here}.basic:length", summary="so many words at least, and at most")
    register("cap", f"{here}.basic:cap", summary="the first so many of a question")
    register(
        "unalike", f"{here}.similarity:unalike", summary="no two rationales of a question that are nearly the same"
    )
    register("diverse", f"{here}.similarity:diverse", summary="the so many of a question that differ most")
    register("equations", f"{here}.equations:equations", summary="no calculation in it is wrong")
    register(
        "decontaminated", f"{here}.overlap:decontaminated", summary="shares no long run of words with a test question"
    )
    register("judge", f"{here}.judge:judge", summary="a model of your choice finds it good")
