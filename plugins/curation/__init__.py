"""Curators: select the completions that become training examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


@hookimpl
def rtbench_register_curators(register: Register) -> None:
    here = "rtbench_plugins.curation"
    register("correct", f"{here}.basic:correct", summary="keeps correct answers")
    register("distinct", f"{here}.basic:distinct", summary="drops repeated rationales of a question")
    register("non-empty", f"{here}.basic:non_empty", summary="drops completions without a rationale")
    register("complete", f"{here}.basic:complete", summary="drops rationales cut at the maximum new tokens")
    register("unhinted", f"{here}.basic:unhinted", summary="drops mentions of a hint that the question does not have")
    register("length", f"{here}.basic:length", summary="keeps rationales with a number of words in a range")
    register("cap", f"{here}.basic:cap", summary="keeps the first N completions of each question")
    register("by-length", f"{here}.ranking:by_length", summary="keeps the N shortest, longest or middle rationales")
    register(
        "difficulty",
        f"{here}.ranking:difficulty",
        summary="keeps questions with a share of right completions in a range",
    )
    register("unalike", f"{here}.similarity:unalike", summary="drops near-duplicate rationales of a question")
    register("diverse", f"{here}.similarity:diverse", summary="keeps the N most different rationales of each question")
    register("equations", f"{here}.equations:equations", summary="drops rationales with a wrong calculation")
    register(
        "decontaminated",
        f"{here}.overlap:decontaminated",
        summary="drops long runs of words shared with a test question",
    )
    register(
        "likely", f"{here}.likely:likely", summary="keeps the N rationales that a student finds most or least likely"
    )
    register("judge", f"{here}.judge:judge", summary="keeps rationales that a model of your choice calls good")
