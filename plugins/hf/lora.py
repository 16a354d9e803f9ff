"""Low-rank adapters through peft, merged into plain weights for the checkpoint. Imports torch and peft."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rtbench_plugins.hf.loaded import LoadedModel, quiet, seeded
from rtbench_plugins.hf.options import LoraOptions
from rtbench_plugins.hf.training_state import load_trained
from transformers.pytorch_utils import Conv1D

from rtbench.api import BadInputError, MissingExtraError, squeezed


def adapted(
    base: LoadedModel, options: LoraOptions, *, seed: int, whole: Callable[[], Any] | None = None
) -> LoadedModel:
    """Return the base with new adapters. Only the adapters are trained; the saved model has them merged.

    Args:
        base: the model; changed in place.
        options: rank, scale and layers.
        seed: seed of the adapters' initial weights.
        whole: for a base in 4 bits, a function that loads the model with its exact weights into main memory.

    Raises:
        MissingExtraError: peft is not installed.
        BadInputError: no layer has such a name.
    """
    try:
        import peft
    except ImportError:
        raise MissingExtraError.of("peft", "lora") from None
    if whole is not None:
        prepare: Any = peft.prepare_model_for_kbit_training
        prepare(base.model, use_gradient_checkpointing=False)
    with seeded(seed), quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft uses an older name of transformers
        try:
            tuner: Any = peft.LoraModel(base.model, _config(base.model, options), "default")
        except ValueError as error:
            reason = squeezed(str(error))
            raise BadInputError(f"adapters cannot be created ({reason[:200]})", where="option `lora`") from None

    def merged() -> Any:
        if whole is None:
            return copy.deepcopy(tuner).merge_and_unload()
        adapters = {name: tensor for name, tensor in tuner.model.state_dict().items() if "lora_" in name}
        exact_base = whole()
        with quiet():
            exact: Any = peft.LoraModel(exact_base, _config(exact_base, options), "default")
        load_trained(exact.model, adapters)
        return exact.merge_and_unload()

    return replace(base, model=tuner.model, merged=merged)


def _config(model: Any, options: LoraOptions) -> Any:
    import peft

    return peft.LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(options.targets) if options.targets else "all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
