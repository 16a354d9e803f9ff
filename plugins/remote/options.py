"""Options of models behind an endpoint, and profiles of the parameters that endpoints and models accept."""

from __future__ import annotations

import fnmatch
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec
from rtbench_plugins.methods.formats import ANSWER_PREFIX, TeacherFormat, TopLogprobs, check_asking
from rtbench_plugins.methods.thinking import Tags

from rtbench.api import (
    BadInputError,
    NotNegative,
    Positive,
    Price,
    RationaleSource,
    Record,
    Resources,
    UnknownNameError,
    convert,
    read_yaml,
)

PROFILES = Path(__file__).with_name("profiles.yaml")
OWNED = frozenset(
    ["model", "messages", "prompt", "n", "best_of", "stream", "seed", "max_tokens", "max_completion_tokens"]
)
"""Fields that each request sets itself, since the ledger records them and a budget depends on them."""
SENT = ("max_tokens", "temperature", "top_p", "stop", "seed", "n")
"""Parameters that a profile may rename or leave out."""
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - recognised, not listened on

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_SECRET_NAME = re.compile(r"key|token|secret|passw|sig$|signature|code$", re.IGNORECASE)

Endpoint = Literal["chat", "completions"]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
"""A time in seconds; an endless one is refused."""


class Profile(Record, frozen=True, omit_defaults=True):
    """Parameters that a model behind an endpoint accepts. They are declared, so no call is needed to find out."""

    name: str = "own"
    hosts: tuple[str, ...] = ()
    """Host names, or hosts with ports, for which the profile is chosen automatically; ``*`` and ``?`` as in file names.
    Empty: chosen only by name."""
    models: tuple[str, ...] = ("*",)
    names: dict[str, str] = {}
    """Other names of fields, such as ``max_tokens: max_completion_tokens``. Only for chats."""
    without: tuple[str, ...] = ()
    """Fields that are not sent, because the model refuses them."""
    most_n: Positive = 128
    """Highest number of completions per call."""
    prefill: dict[str, Any] | None = None
    """Fields with which a chat continues its last message, if that is the assistant's; None: it cannot. ``completions``
    always can."""
    most_stops: Positive | None = None
    """Highest number of stop strings per call. We cut texts at all stop strings in any case."""


class EndpointOptions(Record, frozen=True, omit_defaults=True):
    """A model behind an endpoint, and how to call it."""

    model: str
    """Name of the model at the endpoint."""
    base_url: str = "https://api.openai.com/v1"
    """Address up to and including the version; a query (``?api-version=…``) is appended to each path."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """*Name* of the environment variable with the key. None: the endpoint needs no key."""
    key_header: str = "Authorization"
    """Header with the key: as a bearer token in ``Authorization``, unchanged in other headers (Azure: ``api-key``)."""
    endpoint: Endpoint = "chat"
    """``completions`` is the older endpoint, for base models."""
    system: str | None = None
    """System message of a chat."""
    profile: str | dict[str, Any] | None = None
    """Name in profiles.yaml, or the fields of a :class:`Profile`. None: chosen by host and model."""
    extra: dict[str, Any] = {}
    """Further fields of each request, as the endpoint documents them (``reasoning_effort: low``)."""
    n: Positive = 1
    """Completions of one question per call. The prompt is paid once for all of them. They share a seed, so a single text
    cannot be generated again."""
    concurrency: Positive = 64
    """Highest number of concurrent calls; fewer where the server answers 429."""
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    """Rate limits to keep. None: the limits in the server's headers."""
    batch: bool = False
    """Use the batch endpoints: at the batch price, with an answer within a day."""
    timeout: Seconds = 600.0
    """Longest time for a call, in seconds."""
    retries: NotNegative = 8
    """How often a call is sent again after a server error, a reset or a timeout; 429 does not count."""
    patience: Seconds = 120.0
    """Seconds without a good answer after which the run stops, if more than ``retries`` calls in a row have also failed."""
    thinking: Tags | None = ("<think>", "</think>")
    """Thinking between these tags is separated from the text, like thinking that the server separates. None: it stays in
    the text."""
    refused: Literal["fail", "missing"] = "fail"
    """What happens to a request that is refused because of its content (a filter stops it, the model refuses, there is no
    text): the step fails, or the completion is missing, as it can be from a recording."""
    served_by: str | None = None
    """Name of the service, for the completions' identity. None: the host, or ``local`` for this machine on any port."""
    revision: str = ""
    """Change it when the model behind the name has changed, so that its older completions are not reused."""
    price: Price | None = None
    """Price per million tokens. None: the price in prices.yaml, if the model is in it."""


class RemoteOptions(EndpointOptions, frozen=True, omit_defaults=True):
    """Options of the ``openai`` teacher."""

    format: TeacherFormat = "zero-shot-cot"
    """How the model is asked: in two stages (Kojima et al. 2022); in one stage with the form of the answer stated (for
    chat and reasoning models); or as the methods of these names do."""
    prompt: str | None = None
    """The teacher's own prompt in place of the format's, with ``{question}``, and ``{answer}`` for the gold answer. The reply
    has rationale and answer in one text."""
    answer_prefix: str = ANSWER_PREFIX
    """Text before the answer in replies to ``prompt``."""
    max_new_tokens: tuple[int, int] = (512, 32)
    """Highest numbers of tokens of the rationale and of the answer stage, including a reasoning model's thinking."""
    max_thinking_tokens: int | None = None
    """Number of tokens after which the thinking of the first stage is ended and the answer asked for; they count towards
    ``max_new_tokens``. None: no limit."""
    top_logprobs: TopLogprobs = 0
    """Number of most probable tokens whose log-probabilities are stored at the place of each token of a rationale for a
    training question, for `distill-logits`."""
    rationale: RationaleSource = "text"
    """What students learn from: the model's text up to its answer, its thinking, or the thinking and then the text."""


def remote_options(name: str, options: dict[str, Any]) -> RemoteOptions:
    """Return a teacher's options, checked.

    Raises:
        BadInputError: a key is unknown, or a value has the wrong type or is invalid.
    """
    where = f"options of teacher {name!r}"
    checked = convert(options, RemoteOptions, where=where)
    check_asking(checked, where=where)
    check_endpoint(checked, where=where)
    if checked.max_thinking_tokens is not None and not continues_answers(checked):
        raise BadInputError(
            f"`max_thinking_tokens` needs an endpoint that continues an answer; profile {profile_of(checked).name} has no "
            "`prefill`",
            where=where,
            next_step="Use `endpoint: completions`, the endpoint's own parameter in `extra`, or a `profile` with `prefill`.",
        )
    return checked


def continues_answers(options: EndpointOptions) -> bool:
    """Return whether an endpoint continues an answer that a request begins."""
    return options.endpoint == "completions" or profile_of(options).prefill is not None


def check_endpoint(found: EndpointOptions, *, where: str) -> None:
    """Check the options that all models behind an endpoint have.

    Raises:
        BadInputError: a value is invalid, or is set by each request itself.
        UnknownNameError: there is no such profile.
    """
    if found.thinking is not None and not all(found.thinking):
        raise BadInputError(
            "`thinking` has an empty tag", where=where, next_step="Use null to keep thinking in the text."
        )
    _check_address(found, where)
    _check_key(found, where)
    profile = profile_of(found, where=where)
    _check_profile(profile, f"{where}, profile")
    taken = (OWNED | {profile.names.get(name, name) for name in OWNED}) & found.extra.keys()
    if taken:
        raise BadInputError(
            f"`extra` has {', '.join(sorted(taken))}, which each request sets itself",
            where=where,
            next_step="Use `n`, `max_new_tokens`, `system` and the matrix's seeds, or leave the field out by a `profile`.",
        )


def _check_profile(profile: Profile, where: str) -> None:
    for name in (*profile.without, *profile.names):
        if name not in SENT:
            raise UnknownNameError.of("parameter", name, SENT, where=where)


def _check_address(found: EndpointOptions, where: str) -> None:
    try:
        url = urlsplit(found.base_url)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in {"http", "https"} or not url.hostname or port == 0:
        raise BadInputError(
            f"`base_url` is not an address: {found.base_url!r}",
            where=where,
            next_step="Example: http://localhost:8000/v1.",
        )
    secret = [name for name, _ in parse_qsl(url.query) if _SECRET_NAME.search(name)]
    if url.username or url.password or secret:
        part = f"`{secret[0]}`" if secret else "a user name or password"
        raise BadInputError(
            f"`base_url` contains {part}, which would be stored",
            where=where,
            next_step="Put the key into an environment variable and name the variable in `api_key_env` (see `key_header`).",
        )
    if url.scheme == "http" and found.api_key_env is not None and not is_local(url.hostname):
        raise BadInputError(
            "the key would be sent over the network unencrypted",
            where=where,
            next_step="Use https, or `api_key_env: null` where the server needs no key.",
        )


def _check_key(found: EndpointOptions, where: str) -> None:
    if found.api_key_env is not None and not _VARIABLE.fullmatch(found.api_key_env):
        raise BadInputError(  # not shown: it may be the key itself
            "`api_key_env` is not the name of an environment variable",
            where=where,
            next_step="Put the key into a variable such as MY_KEY, and use that name. A matrix must not contain a key.",
        )
    if not _HEADER.fullmatch(found.key_header):
        raise BadInputError(f"`key_header` is not the name of a header: {found.key_header!r}", where=where)


def profile_of(options: EndpointOptions, *, where: str = "") -> Profile:
    """Return the profile that the options name or contain, or else the profile of the host and model.

    Raises:
        UnknownNameError: there is no profile with that name.
        BadInputError: the options contain an invalid profile.
    """
    if isinstance(options.profile, dict):
        return convert(options.profile, Profile, where=f"{where}, profile")
    if options.profile is not None:
        known = {profile.name: profile for profile in _profiles()}
        if options.profile not in known:
            raise UnknownNameError.of("profile", options.profile, known, where=where)
        return known[options.profile]
    url = urlsplit(options.base_url)
    hosts = [url.hostname or "", f"{url.hostname}:{url.port}"]
    model = options.model.rsplit("/", 1)[-1]
    fitting = (p for p in _profiles() if any(_fits(h, p.hosts) for h in hosts) and _fits(model, p.models))
    return next(fitting)


def asking_resources(options: EndpointOptions) -> Resources:
    """Return the resources of a step. Only one step at a time calls an endpoint, but many may have pending batches."""
    lane = "" if options.batch else urlsplit(options.base_url).netloc
    return Resources(cpus=0, memory_gb=0.5, lane=lane)


def calls_together(options: EndpointOptions) -> int:
    """Return the highest number of completions that one call asks for."""
    return min(options.n, profile_of(options).most_n)


def identity(options: EndpointOptions) -> dict[str, Any]:
    """Return everything that a text depends on besides prompt and sampling. Rate limits and prices are not included."""
    url = urlsplit(options.base_url)
    profile = profile_of(options)
    return {
        "model": options.model,
        "served_by": options.served_by or ("local" if is_local(url.hostname) else url.hostname),
        "endpoint": options.endpoint,
        "system": options.system,
        "extra": options.extra,
        "n": calls_together(options),
        "without": sorted(profile.without),
        "thinking": options.thinking,
        "revision": options.revision,
    }


@cache
def _profiles() -> tuple[Profile, ...]:
    return tuple(convert(entry, Profile, where=f"{PROFILES}, {entry['name']}") for entry in read_yaml(PROFILES))


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def is_local(host: str | None) -> bool:
    """Return whether a host is this machine."""
    return host in LOOPBACK
