"""Keys of steps, by their definition."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from rtbench_plugins.methods.formats import FEW_SHOT_COT, FINE_TUNE_COT

from rtbench.interfaces import Recipe
from rtbench.records import ModelSpec, Questions, Sampling
from rtbench.specs import VERSIONS, CompleteSpec, CurateSpec, Input, ScoreSpec, Spec, TaskSpec, TrainSpec, step_key

TASK = TaskSpec(name="svamp", variant="original", split="default", fingerprint="f", dataset="svamp")
MODEL = ModelSpec(
    role="student", plugin="hf-causal", name="mine", options={"z": 1, "a": {"y": 2, "b": None}}, fingerprint="m"
)
JUDGED = ("judge", 1, {"model": "fingerprint", "above": 0.5})
INPUTS = (Input(role="examples", kind="curate", key="1"), Input(role="completions", kind="complete", key="2"))
SPECS: list[Spec] = [
    CompleteSpec(
        task=TASK, questions=Questions(fold="test", limit=3), model=MODEL, trained=True, epoch=None, family="decoder",
        format=FEW_SHOT_COT, stage="input", sampling=Sampling(max_new_tokens=9, temperature=0.7, stop=("x",)), n=2,
        recorded=None, demonstrations="Fünf Ä\u2028", trigger="",
    ),
    CurateSpec(
        task=TASK, questions=Questions(fold="train", fraction=0.5), curators=[JUDGED], extractor="strict",
        extractor_key="v1", degree=2, answer_prefixes=[None, "-->"], judges={"fingerprint": {"use": "openai"}},
    ),
    TrainSpec(task=TASK, model=MODEL, family="decoder", format=FINE_TUNE_COT, recipe=Recipe(), seed=1),
    TrainSpec(task=TASK, model=MODEL, family="decoder", format=FINE_TUNE_COT, recipe=Recipe(patience=2), seed=1),
    ScoreSpec(
        task=TASK, questions=Questions(fold="test"), extractors=(("strict", "v1"), ("paper", "v1")), answer_prefix=None,
        aggregate="single", primary="",
    ),
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_key_is_the_hash_of_sorted_json(spec: Spec) -> None:
    """What a finished step is found by must not change with the way it is computed."""
    plain: Any = msgspec.to_builtins(spec)
    if isinstance(spec, CompleteSpec | TrainSpec):
        plain["model"] = spec.model.fingerprint
    plain.pop("judges", None)
    if isinstance(spec, TrainSpec) and spec.recipe.patience is None:
        del plain["recipe"]["patience"]
    kind = plain["type"]
    whole = ["step", kind, VERSIONS[kind], plain, [[i.role, i.key] for i in INPUTS]]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert step_key(spec, INPUTS) == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_the_name_of_a_model_and_how_to_open_it_are_no_part_of_the_key() -> None:
    named = msgspec.structs.replace(MODEL, name="other", options={})
    for spec in SPECS:
        if isinstance(spec, CompleteSpec | TrainSpec):
            assert step_key(msgspec.structs.replace(spec, model=named), INPUTS) == step_key(spec, INPUTS)
