"""The answer stage goes on from the cache of the rationale: same texts, without reading the prompt again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rtbench.schema.completions import Completion, Request
from tests.helpers.cli import Cli
from tests.plugins.hf.test_decoding import Watched, greedy_and_sampled, untrained

TRIGGER = "\nTherefore, the answer (arabic numerals) is"


def follows(tiny, first: Completion) -> Request:
    return tiny.request(1000 + first.sample_index, first.prompt + first.text + TRIGGER, max_new_tokens=6)


def both(model, requests, follow) -> tuple[dict[str, str], dict[str, str]]:
    found = {one.key: one.text for one in model.generate_on(requests, follow)}
    return (
        {key: text for key, text in found.items() if int(key) < 1000},
        {key: text for key, text in found.items() if int(key) >= 1000},
    )


def varied(tiny, count, before="", **sampling) -> list[Request]:
    """Whole questions, whose texts end at different lengths."""
    limits = [12, 3, 40, 5, 1, 7, 30]
    return [
        tiny.request(at, before + row.prompt, max_new_tokens=limits[at % len(limits)], **sampling)
        for at, row in enumerate(tiny.rows[:count])
    ]


@pytest.fixture
def llama(tiny, tmp_path):
    """Loads a model whose texts differ, for so many rows at once."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return tiny.other("decoder", tmp_path, LlamaConfig, LlamaForCausalLM, **sizes, **heads)


@greedy_and_sampled
@pytest.mark.parametrize("size", [1, 3, 16])
@pytest.mark.parametrize("shown", [False, True], ids=["questions", "demonstrations"])
def test_what_follows_is_what_a_second_reading_gives(tiny, llama, sampling, size, shown):
    before = "\n\n".join(row.prompt + row.label for row in tiny.rows[40:44]) + "\n\n" if shown else ""
    requests = varied(tiny, 40, before, **sampling)
    firsts, seconds = both(llama(size), requests, lambda first: follows(tiny, first))
    plain = {one.key: one for one in llama(1).generate(requests)}
    assert firsts == {key: one.text for key, one in plain.items()}
    again = {one.key: one.text for one in llama(1).generate([follows(tiny, one) for one in plain.values()])}
    assert seconds.items() <= again.items(), "noise that the tokenizer splits in another way may be left out"
    assert len(set(seconds.values())) > 30, "a test of equal texts would show nothing"


def test_only_new_tokens_are_read(tiny, llama):
    requests = [tiny.request(at, row.prompt, max_new_tokens=1) for at, row in enumerate(tiny.rows[:20])]
    model = llama(20)
    watched = Watched(model)
    _, seconds = both(model, requests, lambda first: follows(tiny, first))
    trigger = len(model._codec.label_ids([TRIGGER])[0])
    assert len(seconds) == 20
    read = [(rows, columns) for rows, columns in watched.steps[1:] if columns > 1]
    assert sum(rows for rows, _ in read) == 20
    assert max(columns for _, columns in read) <= trigger + 8, "a text's last tokens may be split in another way"


def test_what_follows_may_be_left_out_by_the_asker_and_by_the_model(tiny, llama):
    requests = [tiny.request(at, row.prompt, max_new_tokens=1) for at, row in enumerate(tiny.rows[:20])]
    some = lambda first: follows(tiny, first) if first.sample_index % 2 else None  # noqa: E731
    firsts, seconds = both(llama(4), requests, some)
    assert (len(firsts), len(seconds)) == (20, 10)
    firsts, seconds = both(untrained(tiny, "encoder_decoder", 4), requests, some)
    assert (len(firsts), len(seconds)) == (20, 0), "its prompt is read by another part of the model"
    other = lambda first: tiny.request(1000 + first.sample_index, "Another prompt")  # noqa: E731
    assert both(llama(4), requests, other)[1] == {}


def test_models_whose_rows_cannot_go_on_leave_it_out(tiny, tmp_path):
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    load = tiny.other(
        "decoder", tmp_path, Gemma3TextConfig, Gemma3ForCausalLM, hidden_size=32, intermediate_size=48, head_dim=16,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    firsts, seconds = both(load(4), varied(tiny, 12), lambda first: follows(tiny, first))
    assert (len(firsts), len(seconds)) == (12, 0)


MATRIX = """
name: two-stages
tasks: [multiarith]
methods: [zero-shot-cot]
students: [{name: tiny, use: hf-causal, config: {n_layer: 1, n_embd: 32, n_inner: 64, n_head: 2}, vocab_size: 400}]
limit: 12
recipe: {max_new_tokens: 24}
"""


def test_a_run_asks_the_answer_stage_while_it_has_the_rationale(cli: Cli, data_dir):
    """The first step stores both stages; where the second is asked alone, its texts are the same."""
    path = cli.folder / "m.yaml"
    path.write_text(MATRIX)
    cli("run", "--matrix", path, "--data-dir", data_dir)
    steps = [json.loads(p.read_text()) for p in cli.workspace.glob("store/complete/*/meta.json")]
    by_stage = {step["spec"]["stage"]: step for step in steps}
    segments, texts = stored(cli, by_stage["answer"])
    _, firsts = stored(cli, by_stage["input"])
    assert {key: line["reasoning"] for key, line in texts.items()} == {key: one["text"] for key, one in firsts.items()}
    finished = (cli.workspace / "store" / "complete" / by_stage["input"]["key"] / "meta.json").stat().st_mtime_ns
    assert int(segments[0].name[:20]) < finished, "the segment was begun before the first step was finished"
    board = cli("report", "--data-dir", data_dir).stdout
    for segment in segments:
        segment.unlink()
    for step in (
        cli.workspace / "store" / "complete" / by_stage["answer"]["key"],
        *cli.workspace.glob("store/score/*"),
    ):
        (step / "meta.json").unlink()
    cli("run", "--matrix", path, "--data-dir", data_dir)
    assert stored(cli, by_stage["answer"])[1] == texts
    assert cli("report", "--data-dir", data_dir).stdout == board


def stored(cli: Cli, step: dict[str, Any]) -> tuple[list[Path], dict[int, dict[str, Any]]]:
    """The segments of a step's completions, and these by question."""
    segments = sorted((cli.workspace / "ledger").glob(f"*/*/{step['result']['address']['prompt']}/*.jsonl"))
    lines = [json.loads(line) for segment in segments for line in segment.read_text().splitlines()]
    return segments, {one["sample_index"]: one for one in lines}
