"""Low-rank adapters through peft, merged into plain weights for the checkpoint. Imports torch and peft."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any

import torch
from rtbench_plugins.hf.loading import Loaded, quiet
from rtbench_plugins.hf.options import LoraOptions
from transformers.pytorch_utils import Conv1D

from rtbench.errors import BadInputError, MissingExtraError


def adapted(base: Loaded, options: LoraOptions, *, seed: int) -> Loaded:
    """The base with fresh adapters, which alone are trained; what is saved has them merged.

    Args:
        base: the model; changed in place.
        options: rank, scale and places.
        seed: of the adapters' first weights.

    Raises:
        MissingExtraError: peft is not installed.
        BadInputError: no layer has such a name.
    """
    try:
        import peft
    except ImportError:
        raise MissingExtraError.of("peft", "lora") from None
    config = peft.LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(options.targets) if options.targets else "all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in base.model.modules()),
    )
    with torch.random.fork_rng(devices=[]), quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
        torch.manual_seed(seed)
        try:
            tuner: Any = peft.LoraModel(base.model, config, "default")
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise BadInputError(f"no adapters can be made ({reason[:200]})", where="option `lora`") from None
    return replace(base, model=tuner.model, merged=lambda: copy.deepcopy(tuner).merge_and_unload())
