"""Names weights without loading them, so that a plan can be made without torch.

No network is needed for a folder, a commit, or a branch that is in the local cache; any other hub id is looked up once.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rtbench_plugins.hf.options import RANDOM_CONFIGS, Access, StudentOptions, TeacherOptions

from rtbench.api import BadInputError, Family, Machine, MissingDataError, content_key, file_digest, read_json

TOKENIZER_RECIPE = 1
"""Version of :func:`rtbench_plugins.hf.tokenizer.train_tokenizer`; a change of what it makes raises it."""

_TIMEOUT = 10.0
"""Seconds that the hub has to answer."""
_SEQ2SEQ_TYPES = frozenset(
    {
        *("t5", "mt5", "umt5", "longt5", "switch_transformers", "t5gemma", "bart", "mbart", "plbart", "led", "marian"),
        *("pegasus", "pegasus_x", "bigbird_pegasus", "blenderbot", "blenderbot-small", "m2m_100", "nllb-moe"),
        *("prophetnet", "fsmt"),
    }
)
"""Model types whose older configs leave it to the class that they are encoder-decoders."""
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
    settings["lora"] = options.lora
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

    Args:
        model: local folder or hub id.
        revision: of a hub id: the commit that :func:`pinned_revision` gives.

    Raises:
        BadInputError: the folder has no config, or no safetensors.
        MissingDataError: it is neither a folder nor a hub id.
    """
    folder = local_folder(model)
    if folder is None:
        assert revision is not None, "a hub id counts by its commit"
        assert _COMMIT.fullmatch(revision), "a hub id counts by its commit"
        return f"{model}@{revision}"
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


def pinned_revision(model: str, revision: str | None, *, offline: bool) -> str | None:
    """The commit that a hub id stands for, so that every worker and every later run takes the same; of a folder, its
    revision as it is.

    A branch or tag (none is ``main``) is what the local cache knows it as. Where the cache does not know it, the hub is
    asked, and the model's config is fetched, by which the cache knows it from then on.

    Raises:
        BadInputError: the hub has no such model or revision, or not for this user.
        MissingDataError: it is neither a folder nor a hub id, or the hub must not or cannot be asked.
    """
    if local_folder(model) is not None or (revision and _COMMIT.fullmatch(revision)):
        return revision
    found = cached_file(model, "config.json", revision) or _fetched(model, revision, offline=offline)
    return found.parent.name


class Hub:
    """What one model of the matrix needs to know of the hub, each found out once: a hub that cannot be asked is not
    asked again for every cell.

    Args:
        access: whether the network may be used.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: dict[tuple[object, ...], Any] = {}

    def commit(self, model: str, revision: str | None) -> str | None:
        """As :func:`pinned_revision`."""
        found: str | None = self._once(pinned_revision, model, revision)
        return found

    def check_weights(
        self, model: str, revision: str | None, machine: Machine, *, whose: str, any_format: bool = False
    ) -> None:
        """Raises BadInputError where a hub model's weights are not on this machine, are wanted here, and must not be fetched.

        Args:
            model: local folder or hub id.
            revision: of a hub id: its commit.
            machine: where it is to be loaded; what another one has is not known here.
            whose: says so.
            any_format: other formats than safetensors are read too.
        """
        from huggingface_hub import constants

        elsewhere = machine.memory_gb is None
        if elsewhere or local_folder(model) is not None or not (self._access.offline or constants.HF_HUB_OFFLINE):
            return
        config = cached_file(model, "config.json", revision)
        if config is None or not _has_weights(config.parent, any_format=any_format):
            what = "weights" if any_format else "safetensors"
            why = "this run is offline" if self._access.offline else "HF_HUB_OFFLINE is set"
            raise BadInputError(
                f"the {what} of {model} are not all on this machine ({why})",
                where=whose,
                next_step=f"Run `hf download {model} --revision {revision}` with a network, or give a local folder as the "
                "option `model`.",
            )

    def is_encoder_decoder(self, model: str, revision: str | None) -> bool:
        """As :func:`is_encoder_decoder`."""
        return bool(self._once(is_encoder_decoder, model, revision))

    def _once(self, ask: Callable[..., Any], model: str, revision: str | None) -> Any:
        key = (ask, model, revision)
        if key not in self._known:
            try:
                self._known[key] = ask(model, revision, offline=self._access.offline)
            except MissingDataError as error:
                self._known[key] = error
        if isinstance(found := self._known[key], MissingDataError):
            raise found
        return found


def is_encoder_decoder(model: str, revision: str | None, *, offline: bool) -> bool:
    """What the model's config says; it is fetched where it is not on this machine.

    Raises:
        BadInputError: the config is none, or the hub has no such model.
        MissingDataError: there is no config, and the hub must not or cannot be asked.
    """
    folder = local_folder(model)
    path = folder / "config.json" if folder else cached_file(model, "config.json", revision)
    config = read_json(path or _fetched(model, revision, offline=offline))
    if not isinstance(config, dict):
        raise BadInputError("not a model's config", where=str(path or model))
    return bool(config.get("is_encoder_decoder", config.get("model_type") in _SEQ2SEQ_TYPES))


def _has_weights(folder: Path, *, any_format: bool) -> bool:
    """Whether a model's folder in the cache has weights: all the parts that an index names, where there is one."""
    if (index := next(folder.glob("*.safetensors.index.json"), None)) is not None:
        return all((folder / part).is_file() for part in read_json(index)["weight_map"].values())
    formats = ("*.safetensors", "*.bin") if any_format else ("*.safetensors",)
    return any(next(folder.glob(one), None) for one in formats)


def cached_file(model: str, name: str, revision: str | None) -> Path | None:
    """A hub model's file in the local cache; None where it is not there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _fetched(model: str, revision: str | None, *, offline: bool) -> Path:
    """The model's config from the hub, in the cache. The hub is asked for the model first: where there is no network
    that ends after one timeout, and a download would try for minutes."""
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
        reason = " ".join(str(error).split())[:200]
        raise _unresolved(model, revision, f"the hub cannot be asked: {type(error).__name__}: {reason}") from error
    raise BadInputError(
        wrong, where=f"model {model!r}", next_step="Check `model` and `revision`; a private or gated one needs a login."
    )


def _unresolved(model: str, revision: str | None, why: str) -> MissingDataError:
    if revision and _COMMIT.fullmatch(revision):
        what, more = "its config is not on this machine", ""
    else:
        what = f"which commit {revision or 'main'!r} stands for is not known on this machine"
        more = f"Give `revision: <commit>`, or run `hf download {model}` with a network. "
    return MissingDataError(
        f"{what} ({why})",
        where=f"model {model!r}",
        next_step=f"{more}Or give a local folder as the option `model`.",
    )


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """The screen belongs to the run's own display."""
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
