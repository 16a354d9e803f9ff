"""Step keys: whoever has results keeps them, so that keys are pinned here as they were first computed."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rtbench_plugins.methods.formats import DISTILL_STEP_BY_STEP, FEW_SHOT_COT, FINE_TUNE_COT

from rtbench.schema.base import Record
from rtbench.schema.completions import ModelSpec, Sampling
from rtbench.schema.objectives import Grpo, Logits, Objectives, OnPolicy
from rtbench.schema.steps import (
    CompleteSpec,
    CurateSpec,
    Input,
    LikelihoodSpec,
    ScoreSpec,
    Spec,
    TaskSpec,
    TrainSpec,
    UnlessRight,
)
from rtbench.schema.tasks import Questions
from rtbench.schema.training import Recipe
from rtbench.storage.keys import content_key, derived_seed, step_key
from rtbench.storage.ledger import make_request
from tests.helpers.cli import MakeCli

TASK = TaskSpec(name="svamp", variant="original", split="default", fingerprint="f", dataset="svamp")
MODEL = ModelSpec(
    role="student", plugin="hf-causal", name="mine", options={"z": 1, "a": {"y": 2, "b": None}}, fingerprint="m"
)
RETRAINED = msgspec.structs.replace(MODEL, training=2)
TEACHER = ModelSpec(role="teacher", plugin="hf", name="large", options={"model": "large"}, fingerprint="t")
JUDGED = ("judge", 1, {"model": "fingerprint", "above": 0.5})
INPUTS = (Input(role="examples", kind="curate", key="1"), Input(role="completions", kind="complete", key="2"))


def complete(**changes: Any) -> CompleteSpec:
    spec = CompleteSpec(
        task=TASK, questions=Questions(fold="test", limit=3), model=MODEL, trained=True, epoch=None, family="decoder",
        format=FEW_SHOT_COT, stage="input", sampling=Sampling(max_new_tokens=9, temperature=0.7, stop=("x",)), n=2,
        recorded=None, demonstrations="Fünf Ä\u2028", trigger="",
    )  # fmt: skip
    return msgspec.structs.replace(spec, **changes)


def curate(**changes: Any) -> CurateSpec:
    spec = CurateSpec(
        task=TASK, questions=Questions(fold="train", fraction=0.5), curators=[JUDGED], extractor="strict",
        extractor_key="v1", degree=2, answer_prefixes=[None, "-->"], judges={"fingerprint": {"use": "openai"}},
    )  # fmt: skip
    return msgspec.structs.replace(spec, **changes)


def train(recipe: Recipe, **changes: Any) -> TrainSpec:
    spec = TrainSpec(task=TASK, model=MODEL, family="decoder", format=FINE_TUNE_COT, recipe=recipe, seed=1)
    return msgspec.structs.replace(spec, **changes)


def score(**changes: Any) -> ScoreSpec:
    spec = ScoreSpec(
        task=TASK, questions=Questions(fold="test"), extractors=(("strict", "v1"), ("paper", "v1")), answer_prefix=None,
        aggregate="single", primary="",
    )  # fmt: skip
    return msgspec.structs.replace(spec, **changes)


UNLESS = UnlessRight(extractor="strict", extractor_key="v1", answer_prefixes=["-->"])
EVERY = Recipe(
    learning_rate=1e-3, batch_size=4, epochs=3, steps=300, optimizer="muon", schedule="linear", warmup_steps=10,
    weight_decay=0.0, max_prompt_tokens=64, max_label_tokens=65, max_new_tokens=0, selection="val",
    validation_fraction=0.2, patience=2,
)  # fmt: skip

GOLDEN: list[tuple[str, Spec, str]] = [
    ("complete", complete(), "a3f8c870f4ab88f98d2be00eba91af7e"),
    (
        "complete, answer stage",
        complete(stage="answer", trigger="Therefore", trained=False, recorded="r"),
        "0cd9650699f0831918d9e98b51ea6602",
    ),
    (
        "complete, hinted",
        complete(hint=" (Hint: {answer})", unless_right=UNLESS, epoch=3),
        "c0039a058beb355cbcedbeade57f28bd",
    ),
    ("curate", curate(), "ccfd8dee41b6d7e5dec386dbadb74fd1"),
    ("curate, thoughts", curate(judges={}, learns_from="thoughts"), "ef096eef77f8418efe85aad6ebb6ad2a"),
    ("train, default recipe", train(Recipe()), "bc456f50d6cdda55cb054558ef84d971"),
    ("train, patience", train(Recipe(patience=2)), "71527093548e2a8b8a6bcbd1642a4b40"),
    ("train, steps", train(Recipe(steps=300, selection="last")), "431098feeb6d79c2075105d5008a6e03"),
    ("train, best-test", train(Recipe(selection="best-test", epochs=20)), "5237ba16fe837be8ed0dd50a1b816f67"),
    ("train, every field", train(EVERY), "5fb54ae01cfd8490d3f1f3962c6a71b9"),
    ("train, second version", train(Recipe(), model=RETRAINED), "938a732d2b2bae90d1bd8b89b2c2a65a"),
    ("train, two formats", train(Recipe(), format=DISTILL_STEP_BY_STEP), "7f1486e03791b3e7594fa974022cacdc"),
    ("train, logits", train(Recipe(), objective=Logits(), guide=TEACHER), "fb4b071df07b9e1824c8eb4df17610e9"),
    (
        "train, on-policy",
        train(Recipe(), objective=OnPolicy(beta=1.0), guide=TEACHER),
        "93ab28c5f0d8ec3f0d8d0652b19224c0",
    ),
    (
        "train, grpo",
        train(Recipe(), objective=Grpo(), extractor="strict", extractor_key="v1"),
        "b6797a7269c08d4492d6f7e37d05adb6",
    ),
    (
        "train, grpo on a twin",
        train(Recipe(), objective=Grpo(questions="twin"), extractor="strict", extractor_key="v1", twin="t"),
        "ea980c81accc61c4c421d43aa716b999",
    ),
    ("score", score(), "63c0f5bc23bc184bc37da69623bb6a4d"),
    (
        "score, best epoch",
        score(aggregate="best-epoch", primary="paper", answer_prefix="-->"),
        "06029735047db6fd0c56c8c8b1259e51",
    ),
]


@pytest.mark.parametrize(("spec", "key"), [pytest.param(s, k, id=name) for name, s, k in GOLDEN])
def test_key_is_the_one_that_stored_steps_have(spec: Spec, key: str) -> None:
    assert step_key(spec, INPUTS) == key


def test_key_of_a_likelihood_is_that_of_the_weights() -> None:
    """Where they are, what they are called and how they are computed is no part of it."""
    spec = LikelihoodSpec(
        task=TASK, model=MODEL, family="decoder", format=FINE_TUNE_COT, answer_prefixes=["-->"], max_prompt_tokens=512,
        max_label_tokens=512,
    )  # fmt: skip
    assert step_key(spec, INPUTS) == "e974eafdc71aaa369994a999a8056add"
    elsewhere = msgspec.structs.replace(MODEL, name="other", options={"model": "/elsewhere"}, training=2)
    assert step_key(msgspec.structs.replace(spec, model=elsewhere), INPUTS) == step_key(spec, INPUTS)
    other = msgspec.structs.replace(MODEL, fingerprint="n")
    assert step_key(msgspec.structs.replace(spec, model=other), INPUTS) != step_key(spec, INPUTS)


def test_requests_and_seeds_are_those_of_stored_completions() -> None:
    warm = make_request("model", "task", 3, 1, "prompt", Sampling(max_new_tokens=8, temperature=0.7, seed=5))
    greedy = make_request("model", "task", 3, 1, "prompt", Sampling(max_new_tokens=8, seed=5))
    assert (warm.key, warm.seed) == ("b4633a9204f2f30fbc47e906d38cbc5b", 5491016454306170524)
    assert (greedy.key, greedy.seed) == ("099510481a4a49b475216d888a7452ba", 847288268384473325)
    assert content_key("a", {"c": 1, "b": [None, 0.5]}) == "1a88be511edec4290d3d3d3bd0fc62f4"
    assert derived_seed("a", 1) == 697930202312019326


def test_a_new_field_with_a_default_changes_no_key() -> None:
    """Of every keyed record, so that methods to come can add options without costing anybody a training."""

    class LongerRecipe(Recipe, frozen=True, omit_defaults=True):
        curriculum: str | None = None

    class LongerTask(TaskSpec, frozen=True, omit_defaults=True):
        wording: str = "plain"

    class LongerQuestions(Questions, frozen=True, omit_defaults=True):
        topic: str | None = None

    def longer(record: Record, to: type[Record]) -> Any:
        return to(**{name: getattr(record, name) for name in record.__struct_fields__})

    for _, spec, key in GOLDEN:
        changed: Any = msgspec.structs.replace(spec, task=longer(spec.task, LongerTask))
        if isinstance(spec, TrainSpec):
            changed = msgspec.structs.replace(changed, recipe=longer(spec.recipe, LongerRecipe))
        else:
            changed = msgspec.structs.replace(changed, questions=longer(spec.questions, LongerQuestions))
        assert step_key(changed, INPUTS) == key


def test_every_keyed_record_leaves_out_defaults() -> None:
    """A record that writes its defaults would change every key with its next field."""
    keyed = [
        CompleteSpec,
        CurateSpec,
        TrainSpec,
        ScoreSpec,
        TaskSpec,
        Questions,
        Sampling,
        Recipe,
        UnlessRight,
        Logits,
        OnPolicy,
        Grpo,
        Objectives,
    ]
    keyed += [type(FINE_TUNE_COT), type(FINE_TUNE_COT.decoder)]
    assert all(one.__struct_config__.omit_defaults for one in keyed)


def test_the_name_of_a_model_and_how_to_open_it_are_no_part_of_the_key() -> None:
    named = msgspec.structs.replace(MODEL, name="other", options={})
    for _, spec, key in GOLDEN:
        if isinstance(spec, CompleteSpec | TrainSpec) and spec.model is MODEL:
            assert step_key(msgspec.structs.replace(spec, model=named), INPUTS) == key
            if isinstance(spec, TrainSpec) and spec.guide is not None:
                other = msgspec.structs.replace(TEACHER, name="other", options={})
                assert step_key(msgspec.structs.replace(spec, guide=other), INPUTS) == key


def test_weights_beside_a_training_are_part_of_the_key() -> None:
    """Those that it begins with, and those of its teacher."""
    spec = train(Recipe(), objective=Logits(), guide=TEACHER)
    inputs = [INPUTS, *((*INPUTS, Input(role=role, kind="train", key="3")) for role in ("start", "guide"))]
    assert len({step_key(spec, one) for one in inputs}) == 3
    other = msgspec.structs.replace(TEACHER, fingerprint="u")
    assert step_key(msgspec.structs.replace(spec, guide=other), INPUTS) != step_key(spec, INPUTS)


@pytest.mark.parametrize(
    ("matrix", "steps", "digest"),
    [
        ("pocket", 93, "59853f489dcdd2f696d0023017bc7e7ebb15635578bddd5f05407bf5d88a82ff"),
        ("pocket-full", 2781, "44bec16960bf1c9eaa9535ed81518bed041596084fc9784f5d7fe675944ad242"),
    ],
)
def test_whole_plans_have_the_keys_of_stored_runs(make_cli: MakeCli, matrix: str, steps: int, digest: str) -> None:
    """Whatever enters a key on the way (twins, formats, models, extractors, curators, recipes)."""
    found: Any = make_cli(site=None).json("plan", "--matrix", matrix)
    keys = sorted(step["key"] for step in found["steps"])
    assert (len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest()) == (steps, digest)


@pytest.mark.parametrize(
    ("matrix", "steps", "digest"),
    [
        ("quickstart", 39, "3ef092b146ad9132d3709abbf423e337e406207540d5cd61dd5fd45dfae727ed"),
        ("recorded", 261, "0904e6e19aa19ca8243930762c5302f38cbf2b36a22d3ea2a81b8dd621243173"),
    ],
)
def test_plans_over_recordings_have_the_keys_of_stored_runs(
    make_cli: MakeCli, data_dir: Path, matrix: str, steps: int, digest: str
) -> None:
    """Upstream data and recordings too."""
    test_whole_plans_have_the_keys_of_stored_runs(partial(make_cli, data=data_dir), matrix, steps, digest)
