"""Facts from the hub, and from its cache on this machine. Imports no torch.

A folder, a file, a commit, or a branch in the local cache needs no network. Any other hub id is looked up once.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rtbench_plugins.hf.gguf import ENCODER_DECODERS, gguf_header
from rtbench_plugins.hf.options import Access
from rtbench_plugins.hf.places import MODELS, Place, file_in, how_to_get, in_models_folder, in_package, local_path
from rtbench_plugins.hf.weights import check_files, digest_of_file, weight_map

from rtbench.api import BadInputError, Machine, MissingDataError, read_json, squeezed, user_path

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
COMMIT = re.compile(r"[0-9a-f]{40}")
"""Full name of a commit."""


def found(model: str, revision: str | None, gguf_file: str | None, *, offline: bool) -> Place:
    """Return where the weights of a model are, so that all workers and later runs use the same.

    A hub id is looked up in the hub's cache, then in the folder of ``RTBENCH_MODELS``, then in an installed package that
    has its weights, and then on the hub. A stated revision is looked up in the hub's cache and on the hub only. A branch or
    tag (default ``main``) becomes a commit.

    Raises:
        BadInputError: the hub has no such model or revision, or not for this user, or a folder lacks the file.
        MissingDataError: ``model`` is no folder, file or hub id, or the hub must not or cannot be asked.
    """
    path = local_path(model)
    if path is not None:
        return Place(model if gguf_file is None or path.is_file() else str(file_in(path, gguf_file)))
    if revision and COMMIT.fullmatch(revision):  # nothing to look up, so no slow import
        return Place(model, revision, gguf_file, "hub")
    if (cached := cached_weights(Place(model, revision, gguf_file), any_format=True)) is not None:
        return Place(model, _commit_of(cached), gguf_file, "hub cache")
    if revision is None:  # a folder or package does not say which revision it has
        if (path := in_models_folder(model, gguf_file)) is not None:
            return Place(str(path.resolve()), source=MODELS)
        if gguf_file is None and (path := in_package(model)) is not None:
            return Place(str(path), source=f"package {path.parent.name}")
    return Place(model, _commit(model, revision, gguf_file, offline=offline), gguf_file, "hub")


def cached_weights(place: Place, *, any_format: bool) -> Path | None:
    """Return the weights of a hub id in the hub's cache: the GGUF file, or the folder that has all others; None if missing.

    Args:
        place: of the weights.
        any_format: accept other formats than safetensors.
    """
    cached = cached_file(place.model, place.gguf_file or "config.json", place.revision)
    if cached is None or place.gguf_file is not None:
        return cached
    return cached.parent if _has_weights(cached.parent, any_format=any_format) else None


def _commit(model: str, revision: str | None, gguf_file: str | None, *, offline: bool) -> str:
    """Return the commit of a hub id whose weights are not on this machine, by its config where that is."""
    if revision and COMMIT.fullmatch(revision):
        return revision
    if gguf_file is not None:
        return str(_info(model, revision, offline=offline).sha)
    return _commit_of(cached_file(model, "config.json", revision) or _fetched(model, revision, offline=offline))


def _commit_of(path: Path) -> str:
    """Return the commit of a file or folder in the hub's cache: the name of the folder below ``snapshots``."""
    parts = path.parts
    return parts[len(parts) - 1 - parts[::-1].index("snapshots") + 1]


class Hub:
    """Facts from the hub that a model of the matrix needs. Each is looked up once, also where the hub cannot be reached.

    Args:
        access: says whether the network may be used.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: dict[tuple[object, ...], Any] = {}

    def place(self, model: str, revision: str | None, gguf_file: str | None = None) -> Place:
        """Return where a model's weights are, as :func:`found` does."""
        place: Place = self._once(found, model, revision, gguf_file)
        return place

    def digest(self, place: Place) -> str:
        """Return the SHA-256 digest of a GGUF file, as :func:`digest_of` does."""
        return str(self._once(digest_of, place))

    def check_weights(self, place: Place, machine: Machine, *, whose: str, any_format: bool = False) -> None:
        """Check a model's files on this machine: that they are whole, and there if they must not be downloaded.

        Args:
            place: of the weights.
            machine: the machine that loads the model. If that is another machine, nothing is checked.
            whose: the student or teacher that errors name.
            any_format: accept other formats than safetensors.

        Raises:
            BadInputError: the weights are missing, or a file is damaged or a pointer.
        """
        from huggingface_hub import constants

        if machine.memory_gb is None:  # another machine loads it
            return
        path = place.path or cached_weights(place, any_format=any_format)
        if path is not None and path.is_file():
            gguf_header(path, where=whose)
        elif path is not None:
            check_files(path, whose=whose)
        elif self._access.offline or constants.HF_HUB_OFFLINE:
            what = place.gguf_file or ("weights" if any_format else "safetensors")
            why = "this run is offline" if self._access.offline else "HF_HUB_OFFLINE is set"
            raise BadInputError(
                f"the {what} of {place.model} are not all on this machine ({why})",
                where=whose,
                next_step=f"Run `hf download {place.model} --revision {place.revision}` with a network, "
                f"{how_to_get(place.model)}.",
            )

    def is_encoder_decoder(self, place: Place) -> bool:
        """Return whether a model is an encoder-decoder, as :func:`is_encoder_decoder` does."""
        return bool(self._once(is_encoder_decoder, place))

    def _once(self, ask: Callable[..., Any], *of: Any) -> Any:
        key = (ask, *of)
        if key not in self._known:
            try:
                self._known[key] = ask(*of, offline=self._access.offline)
            except MissingDataError as error:
                self._known[key] = error
        if isinstance(fact := self._known[key], MissingDataError):
            raise fact
        return fact


def is_encoder_decoder(place: Place, *, offline: bool) -> bool:
    """Return whether a model is an encoder-decoder, by its config, which is downloaded where it is not on this machine.

    Raises:
        BadInputError: the config is invalid, or the hub has no such model.
        MissingDataError: there is no config, and the hub must not or cannot be asked.
    """
    file = gguf_path(place)
    if file is not None:
        return gguf_header(file, where=f"model {place.model!r}").architecture in ENCODER_DECODERS
    if place.gguf_file is not None:
        facts = _info(place.model, place.revision, offline=offline).gguf or {}
        return facts.get("architecture") in ENCODER_DECODERS
    folder = place.path
    path = folder / "config.json" if folder else cached_file(place.model, "config.json", place.revision)
    config = read_json(path or _fetched(place.model, place.revision, offline=offline))
    if not isinstance(config, dict):
        raise BadInputError("not a model's config", where=str(path or place.model))
    return bool(config.get("is_encoder_decoder", config.get("model_type") in _SEQ2SEQ_TYPES))


def gguf_path(place: Place) -> Path | None:
    """Return the GGUF file of a place on this machine; None where it has none."""
    if place.gguf_file is not None:
        return cached_file(place.model, place.gguf_file, place.revision)
    path = user_path(place.model, where="option `model`")
    return path if path.is_file() else None


def digest_of(place: Place, *, offline: bool) -> str:
    """Return the SHA-256 digest of a GGUF file; where it is not on this machine, as the hub states it.

    Raises:
        BadInputError: the repository has no such file.
        MissingDataError: the hub must not or cannot be asked.
    """
    path = gguf_path(place)
    if path is not None:
        return digest_of_file(path)
    info = _info(place.model, place.revision, offline=offline)
    files = {file.rfilename: file for file in info.siblings or ()}
    lfs = getattr(files.get(place.gguf_file or ""), "lfs", None)
    if lfs is None:
        there = ", ".join(name for name in files if name.endswith(".gguf")) or "none"
        raise BadInputError(
            f"{place.model} has no file {place.gguf_file!r}",
            where="option `gguf_file`",
            next_step=f"GGUF files there: {there}.",
        )
    return str(lfs.sha256)


def _has_weights(folder: Path, *, any_format: bool) -> bool:
    """Return whether a model's folder in the cache has weights: all files that an index lists, if there is an index."""
    if (index := next(folder.glob("*.safetensors.index.json"), None)) is not None:
        return all((folder / part).is_file() for part in weight_map(index).values())
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
    from huggingface_hub import hf_hub_download

    _info(model, revision, offline=offline)
    with _hub_errors(model, revision), _no_bars():
        return Path(hf_hub_download(model, "config.json", revision=revision, etag_timeout=_TIMEOUT))


def _info(model: str, revision: str | None, *, offline: bool) -> Any:
    """Return what the hub says about a model and its files."""
    from huggingface_hub import HfApi

    if offline:
        raise _unresolved(model, revision, "this run is offline")
    with _hub_errors(model, revision):
        return HfApi().model_info(model, revision=revision, files_metadata=True, timeout=_TIMEOUT)


@contextlib.contextmanager
def _hub_errors(model: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise _unresolved(model, revision, "HF_HUB_OFFLINE is set") from None
    except errors.RevisionNotFoundError:
        raise _refused(model, f"the hub has no revision {revision or 'main'!r} of it") from None
    except errors.RemoteEntryNotFoundError:
        raise _refused(model, "it has no config.json on the hub") from None
    except errors.RepositoryNotFoundError:
        raise _refused(model, "no such model on the hub, or none that you may see") from None
    except Exception as error:
        reason = squeezed(str(error))[:200]
        raise _unresolved(model, revision, f"the hub cannot be reached: {type(error).__name__}: {reason}") from error


def _refused(model: str, what: str) -> BadInputError:
    return BadInputError(
        what,
        where=f"model {model!r}",
        next_step="Check `model` and `revision`; a private or gated model needs a login.",
    )


def _unresolved(model: str, revision: str | None, why: str) -> MissingDataError:
    if revision and COMMIT.fullmatch(revision):
        what, more = "its config is not on this machine", ""
    else:
        what = f"the commit of {revision or 'main'!r} is not known on this machine"
        more = f"Add `revision: <commit>`, or run `hf download {model}` with a network. "
    return MissingDataError(
        f"{what} ({why})",
        where=f"model {model!r}",
        next_step=f"{more}Or {how_to_get(model)}.",
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
