"""Identity of weights, without loading them, so that a plan needs no torch.

A folder, a commit, or a branch in the local cache needs no network. Any other hub id is looked up once.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rtbench_plugins.hf.options import RANDOM_CONFIGS, Access, StudentOptions, TeacherOptions
from rtbench_plugins.hf.weights import check_files

from rtbench.api import BadInputError, Family, Machine, MissingDataError, content_key, file_digest, read_json, squeezed

TOKENIZER_RECIPE = 1
"""Version of :func:`rtbench_plugins.hf.tokenizer.train_tokenizer`; increase it when its result changes."""

_TIMEOUT = 10.0
"""Seconds to wait for an answer of the hub."""
_SEQ2SEQ_TYPES = frozenset(
    {
        *("t5", "mt5", "umt5", "longt5", "switch_transformers", "t5gemma", "bart", "mbart", "plbart", "led", "marian"),
        *("pegasus", "pegasus_x", "bigbird_pegasus", "blenderbot", "blenderbot-small", "m2m_100", "nllb-moe"),
        *("prophetnet", "fsmt"),
    }
)
"""Encoder-decoder model types whose older configs do not say so."""
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
    """Return the identity of a student's base.

    For random weights it covers everything except the tokenizer's corpus, which the core adds.
    """
    settings: dict[str, object] = {"dtype": options.dtype, "chat_template": options.chat_template}
    settings["lora"] = options.lora
    if options.config is not None:
        recipe = {"config": RANDOM_CONFIGS[family] | options.config, "tokenizer": TOKENIZER_RECIPE}
        recipe |= {"vocab_size": options.vocab_size, "init_seed": options.init_seed}
        return _with_settings(f"random:{content_key(family, recipe)}", settings)
    assert options.model is not None
    return _with_settings(weights_fingerprint(options.model, options.revision), settings)


def teacher_fingerprint(options: TeacherOptions) -> str:
    """Return the identity of a teacher: its weights and the options that change its texts."""
    settings: dict[str, object] = {"dtype": options.dtype, "chat_template": options.chat_template}
    if options.thinking != ("<think>", "</think>"):
        settings["thinking"] = options.thinking or "off"
    return _with_settings(weights_fingerprint(options.model, options.revision), settings)


def weights_fingerprint(model: str, revision: str | None) -> str:
    """Return ``local:DIGEST`` with a digest of a folder's files, or ``ID@COMMIT`` of a hub id.

    Args:
        model: local folder or hub id.
        revision: for a hub id, the commit that :func:`pinned_revision` returns.

    Raises:
        BadInputError: the folder has no config, or no safetensors.
        MissingDataError: ``model`` is neither a folder nor a hub id.
    """
    folder = local_folder(model)
    if folder is None:
        assert revision is not None, "a hub id is identified by its commit"
        assert _COMMIT.fullmatch(revision), "a hub id is identified by its commit"
        return f"{model}@{revision}"
    if not (folder / "config.json").is_file():
        raise BadInputError("no config.json: this is not a model folder", where=str(folder))
    if not any(folder.glob("*.safetensors")):
        raise BadInputError(
            "no *.safetensors; other formats can run code when loaded, so they are not read",
            where=str(folder),
            next_step="Convert it: load it with transformers and call save_pretrained().",
        )
    files = sorted({path for pattern in _PARTS for path in folder.glob(pattern) if path.is_file()})
    stats = [(path, path.stat()) for path in files]
    parts = [(path.name, _digest(str(path), stat.st_size, stat.st_mtime_ns)) for path, stat in stats]
    return f"local:{content_key(parts)}"


def local_folder(model: str) -> Path | None:
    """Return the folder that ``model`` names; None where it is a hub id.

    Raises:
        MissingDataError: it is neither a folder nor a hub id.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if _HUB_ID.fullmatch(model):
        return None
    raise MissingDataError(
        "no such folder, and not a hub id",
        where=f"model {model!r}",
        next_step="Use a folder that save_pretrained() wrote, or a hub id such as openai-community/gpt2.",
    )


def pinned_revision(model: str, revision: str | None, *, offline: bool) -> str | None:
    """Return the commit that a hub id refers to, so that all workers and later runs use the same; ``revision`` for a folder.

    A branch or tag (default ``main``) is resolved by the local cache. Where it is not in the cache, the hub is asked, and
    the model's config is downloaded, so that it is in the cache from then on.

    Raises:
        BadInputError: the hub has no such model or revision, or not for this user.
        MissingDataError: ``model`` is neither a folder nor a hub id, or the hub must not or cannot be asked.
    """
    if local_folder(model) is not None or (revision and _COMMIT.fullmatch(revision)):
        return revision
    config = cached_file(model, "config.json", revision) or _fetched(model, revision, offline=offline)
    return config.parent.name


class Hub:
    """Facts from the hub that a model of the matrix needs. Each is looked up once, also where the hub cannot be reached.

    Args:
        access: says whether the network may be used.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: dict[tuple[object, ...], Any] = {}

    def commit(self, model: str, revision: str | None) -> str | None:
        """Return the commit of a hub id, as :func:`pinned_revision` does."""
        commit: str | None = self._once(pinned_revision, model, revision)
        return commit

    def check_weights(
        self, model: str, revision: str | None, machine: Machine, *, whose: str, any_format: bool = False
    ) -> None:
        """Check a model's files on this machine: that they are whole, and there if they must not be downloaded.

        Args:
            model: local folder or hub id.
            revision: for a hub id, its commit.
            machine: the machine that loads the model. If that is another machine, nothing is checked.
            whose: the student or teacher that errors name.
            any_format: accept other formats than safetensors.

        Raises:
            BadInputError: the weights are missing, or a file is damaged or a pointer.
        """
        from huggingface_hub import constants

        if machine.memory_gb is None:  # another machine loads it
            return
        if (folder := local_folder(model)) is not None:
            check_files(folder, whose=whose)
            return
        config = cached_file(model, "config.json", revision)
        if config is not None and _has_weights(config.parent, any_format=any_format):
            check_files(config.parent, whose=whose)
        if not (self._access.offline or constants.HF_HUB_OFFLINE):
            return
        if config is None or not _has_weights(config.parent, any_format=any_format):
            what = "weights" if any_format else "safetensors"
            why = "this run is offline" if self._access.offline else "HF_HUB_OFFLINE is set"
            raise BadInputError(
                f"the {what} of {model} are not all on this machine ({why})",
                where=whose,
                next_step=f"Run `hf download {model} --revision {revision}` with a network, or use a local folder as the "
                "option `model`.",
            )

    def is_encoder_decoder(self, model: str, revision: str | None) -> bool:
        """Return whether a model is an encoder-decoder, as :func:`is_encoder_decoder` does."""
        return bool(self._once(is_encoder_decoder, model, revision))

    def _once(self, ask: Callable[..., Any], model: str, revision: str | None) -> Any:
        key = (ask, model, revision)
        if key not in self._known:
            try:
                self._known[key] = ask(model, revision, offline=self._access.offline)
            except MissingDataError as error:
                self._known[key] = error
        if isinstance(fact := self._known[key], MissingDataError):
            raise fact
        return fact


def is_encoder_decoder(model: str, revision: str | None, *, offline: bool) -> bool:
    """Return whether a model is an encoder-decoder, by its config, which is downloaded where it is not on this machine.

    Raises:
        BadInputError: the config is invalid, or the hub has no such model.
        MissingDataError: there is no config, and the hub must not or cannot be asked.
    """
    folder = local_folder(model)
    path = folder / "config.json" if folder else cached_file(model, "config.json", revision)
    config = read_json(path or _fetched(model, revision, offline=offline))
    if not isinstance(config, dict):
        raise BadInputError("not a model's config", where=str(path or model))
    return bool(config.get("is_encoder_decoder", config.get("model_type") in _SEQ2SEQ_TYPES))


def _has_weights(folder: Path, *, any_format: bool) -> bool:
    """Return whether a model's folder in the cache has weights: all files that an index lists, if there is an index."""
    if (index := next(folder.glob("*.safetensors.index.json"), None)) is not None:
        return all((folder / part).is_file() for part in read_json(index)["weight_map"].values())
    formats = ("*.safetensors", "*.bin") if any_format else ("*.safetensors",)
    return any(next(folder.glob(pattern), None) for pattern in formats)


def cached_file(model: str, name: str, revision: str | None) -> Path | None:
    """Return a hub model's file in the local cache; None where it is missing."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(model, name, revision=revision)
    return Path(path) if isinstance(path, str) else None


def _fetched(model: str, revision: str | None, *, offline: bool) -> Path:
    """Download a model's config to the cache and return its path.

    The hub is asked for the model first. Without a network that ends after one timeout, while a download would be tried for
    minutes.
    """
    from huggingface_hub import HfApi, errors, hf_hub_download

    if offline:
        raise _unresolved(model, revision, "this run is offline")
    try:
        HfApi().model_info(model, revision=revision, timeout=_TIMEOUT)
        with _no_bars():
            return Path(hf_hub_download(model, "config.json", revision=revision, etag_timeout=_TIMEOUT))
    except errors.OfflineModeIsEnabled:
        raise _unresolved(model, revision, "HF_HUB_OFFLINE is set") from None
    except errors.RevisionNotFoundError:
        wrong = f"the hub has no revision {revision or 'main'!r} of it"
    except errors.RemoteEntryNotFoundError:
        wrong = "it has no config.json on the hub"
    except errors.RepositoryNotFoundError:
        wrong = "no such model on the hub, or none that you may see"
    except Exception as error:
        reason = squeezed(str(error))[:200]
        raise _unresolved(model, revision, f"the hub cannot be reached: {type(error).__name__}: {reason}") from error
    raise BadInputError(
        wrong,
        where=f"model {model!r}",
        next_step="Check `model` and `revision`; a private or gated model needs a login.",
    )


def _unresolved(model: str, revision: str | None, why: str) -> MissingDataError:
    if revision and _COMMIT.fullmatch(revision):
        what, more = "its config is not on this machine", ""
    else:
        what = f"the commit of {revision or 'main'!r} is not known on this machine"
        more = f"Add `revision: <commit>`, or run `hf download {model}` with a network. "
    return MissingDataError(
        f"{what} ({why})",
        where=f"model {model!r}",
        next_step=f"{more}Or use a local folder as the option `model`.",
    )


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Hide progress bars, since the run has its own display."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not off:
            enable_progress_bars()


def _with_settings(fingerprint: str, settings: dict[str, object]) -> str:
    stated = {key: value for key, value in settings.items() if value is not None}
    return f"{fingerprint}+{content_key(stated)[:12]}" if stated else fingerprint


@functools.cache
def _digest(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - size and time are part of the cache's key
    return file_digest(Path(path))
