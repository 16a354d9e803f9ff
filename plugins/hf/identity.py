"""Names weights without loading them, so that a plan can be made without torch and without a network."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from rtbench_plugins.hf.options import RANDOM_CONFIGS, StudentOptions, TeacherOptions

from rtbench.errors import BadInputError, MissingDataError
from rtbench.files import file_digest, read_json
from rtbench.keys import content_key
from rtbench.records import Family

TOKENIZER_RECIPE = 1
"""Version of :func:`rtbench_plugins.hf.tokenizer.train_tokenizer`; a change of what it makes raises it."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
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


def student_fingerprint(family: Family, options: StudentOptions) -> str:
    """Identifies a student's base. For a random one, that is all but the tokenizer's corpus, which the core adds."""
    settings: dict[str, object] = {"dtype": options.dtype, "chat_template": options.chat_template}
    if options.config is not None:
        recipe = {"config": RANDOM_CONFIGS[family] | options.config, "tokenizer": TOKENIZER_RECIPE}
        recipe |= {"vocab_size": options.vocab_size, "init_seed": options.init_seed}
        return _with_settings(f"random:{content_key(family, recipe)}", settings)
    assert options.model is not None
    return _with_settings(weights_fingerprint(options.model, options.revision), settings)


def teacher_fingerprint(options: TeacherOptions) -> str:
    """Identifies a teacher's weights and what else changes its texts."""
    settings: dict[str, object] = {"dtype": options.dtype, "chat_template": options.chat_template}
    if options.thinking != ("<think>", "</think>"):
        settings["thinking"] = options.thinking or "off"
    return _with_settings(weights_fingerprint(options.model, options.revision), settings)


def weights_fingerprint(model: str, revision: str | None) -> str:
    """``local:DIGEST`` over the files of a folder, or ``ID@COMMIT`` of the hub.

    A hub id without a commit is looked up in the local cache; where it is not there yet, the branch's name stands
    for the commit.

    Raises:
        BadInputError: the folder has no config, or no safetensors.
        MissingDataError: it is neither a folder nor a hub id.
    """
    folder = local_folder(model)
    if folder is None:
        return f"{model}@{cached_commit(model, revision) or revision or 'main'}"
    if not (folder / "config.json").is_file():
        raise BadInputError("no config.json: this is no model folder", where=str(folder))
    if not any(folder.glob("*.safetensors")):
        raise BadInputError(
            "no *.safetensors; other formats can run code when loaded and are not read",
            where=str(folder),
            next_step="Convert it: load it once with transformers and save_pretrained().",
        )
    files = sorted({path for pattern in _PARTS for path in folder.glob(pattern) if path.is_file()})
    stats = [(path, path.stat()) for path in files]
    parts = [(path.name, _digest(str(path), stat.st_size, stat.st_mtime_ns)) for path, stat in stats]
    return f"local:{content_key(parts)}"


def local_folder(model: str) -> Path | None:
    """The folder that ``model`` names, or None where it is a hub id.

    Raises:
        MissingDataError: it is neither.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if _HUB_ID.fullmatch(model):
        return None
    raise MissingDataError(
        "no such folder, and no hub id either",
        where=f"model {model!r}",
        next_step="Name a folder that save_pretrained() wrote, or a hub id such as openai-community/gpt2.",
    )


def cached_commit(model: str, revision: str | None) -> str | None:
    """Commit of a hub id as far as it can be told without a network."""
    if revision and _COMMIT.fullmatch(revision):
        return revision
    found = _cached(model, "config.json", revision)
    return found.parent.name if found else None


def is_encoder_decoder(model: str, revision: str | None) -> bool | None:
    """What the model's config says; None where it is not on this machine yet."""
    folder = local_folder(model)
    path = folder / "config.json" if folder else _cached(model, "config.json", revision)
    if path is None or not path.is_file():
        return None
    config = read_json(path)
    if not isinstance(config, dict):
        raise BadInputError("not a model's config", where=str(path))
    # T5 states it in every config; BART's older ones leave it to the class.
    return bool(config.get("is_encoder_decoder", config.get("model_type") in {"t5", "bart", "mt5", "pegasus"}))


def _cached(model: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _with_settings(fingerprint: str, settings: dict[str, object]) -> str:
    stated = {key: value for key, value in settings.items() if value is not None}
    return f"{fingerprint}+{content_key(stated)[:12]}" if stated else fingerprint


@functools.cache
def _digest(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - size and time are part of the cache's key
    return file_digest(Path(path))
