"""Identity of weights, without loading them, so that a plan needs no torch."""

from __future__ import annotations

from pathlib import Path

from rtbench_plugins.hf.gguf import CONVERSION
from rtbench_plugins.hf.hub import COMMIT, Hub
from rtbench_plugins.hf.options import RANDOM_CONFIGS, StudentOptions, TeacherOptions
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.weights import digest_of_file

from rtbench.api import Family, MissingDataError, content_key

TOKENIZER_RECIPE = 1
"""Version of :func:`rtbench_plugins.hf.tokenizer.train_tokenizer`; increase it when its result changes."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*")
_PARTS = (
    *_WEIGHTS,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.jinja",
    "*.py",
)


def student_fingerprint(family: Family, options: StudentOptions, hub: Hub) -> str:
    """Return the identity of a student's base.

    For random weights it covers everything except the tokenizer's corpus, which the core adds.

    Args:
        family: of the base.
        options: with the place of the weights.
        hub: for facts about them.
    """
    settings: dict[str, object] = {"dtype": options.dtype, "chat_template": options.chat_template}
    settings["lora"] = options.lora
    settings["thinking"] = options.thinking
    if options.config is not None:
        recipe = {"config": RANDOM_CONFIGS[family] | options.config, "tokenizer": TOKENIZER_RECIPE}
        recipe |= {"vocab_size": options.vocab_size, "init_seed": options.init_seed}
        return _with_settings(f"random:{content_key(family, recipe)}", settings)
    assert options.model is not None
    return _with_settings(weights_fingerprint(Place(options.model, options.revision, options.gguf_file), hub), settings)


def teacher_fingerprint(options: TeacherOptions, hub: Hub) -> str:
    """Return the identity of a teacher: its weights and the options that change its texts."""
    settings: dict[str, object] = {"dtype": options.dtype, "chat_template": options.chat_template}
    if options.thinking != ("<think>", "</think>"):
        settings["thinking"] = options.thinking or "off"
    return _with_settings(weights_fingerprint(Place(options.model, options.revision, options.gguf_file), hub), settings)


def weights_fingerprint(place: Place, hub: Hub) -> str:
    """Return the identity of weights.

    It is ``local:DIGEST`` with a digest of a folder's files, ``gguf:DIGEST`` with that of a GGUF file wherever it is, or
    ``ID@COMMIT`` of a hub id.

    Raises:
        MissingDataError: the folder has no config, or no safetensors; or the model is not on this machine, and the hub
            must not or cannot be asked.
    """
    folder = place.path
    if place.gguf_file is not None or (folder is not None and folder.is_file()):
        return f"{CONVERSION}:{hub.digest(place)}"
    if folder is None:
        assert place.revision is not None, "a hub id is identified by its commit"
        assert COMMIT.fullmatch(place.revision), "a hub id is identified by its commit"
        return f"{place.model}@{place.revision}"
    if not (folder / "config.json").is_file():
        raise MissingDataError(
            "no config.json: this is not a model folder", where=str(folder), next_step=_named_file(folder)
        )
    if not any(folder.glob("*.safetensors")):
        raise MissingDataError(
            "no *.safetensors; other formats can run code when loaded, so they are not read",
            where=str(folder),
            next_step=_named_file(folder) or "Convert it: load it with transformers and call save_pretrained().",
        )
    files = sorted({path for pattern in _PARTS for path in folder.glob(pattern) if path.is_file()})
    return f"local:{content_key([(path.name, digest_of_file(path)) for path in files])}"


def _named_file(folder: Path) -> str | None:
    """Return the advice to name a GGUF file of a folder; None where it has none."""
    file = next(iter(sorted(folder.glob("*.gguf"))), None)
    return None if file is None else f"State the option `gguf_file`, for example {file.name}."


def _with_settings(fingerprint: str, settings: dict[str, object]) -> str:
    stated = {key: value for key, value in settings.items() if value is not None}
    return f"{fingerprint}+{content_key(stated)[:12]}" if stated else fingerprint
