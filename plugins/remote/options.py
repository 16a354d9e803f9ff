"""Options of models behind an endpoint, as they stand in a matrix, and what endpoints and models take and refuse."""

from __future__ import annotations

import fnmatch
import math
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec
from rtbench_plugins.methods.formats import TeacherFormat, check_asking
from rtbench_plugins.methods.thinking import Tags

from rtbench.api import BadInputError, Price, RationaleSource, Record, Resources, UnknownNameError, convert, read_yaml

PROFILES = Path(__file__).with_name("profiles.yaml")
OWNED = frozenset(
    ["model", "messages", "prompt", "n", "best_of", "stream", "seed", "max_tokens", "max_completion_tokens"]
)
"""Fields that each request states itself: the ledger says what was asked for, and a budget rests on it."""
SENT = ("max_tokens", "temperature", "top_p", "stop", "seed", "n")
"""Parameters that a profile may rename or leave out."""
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - recognised, not listened on

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_SECRET_NAME = re.compile(r"key|token|secret|passw|sig$|signature|code$", re.IGNORECASE)

Endpoint = Literal["chat", "completions"]


class Profile(Record, frozen=True, omit_defaults=True):
    """What a model behind an endpoint takes. Declared, so that no call is wasted on finding out."""

    name: str = "own"
    hosts: tuple[str, ...] = ()
    """Host names it is taken for by itself; ``*`` and ``?`` as in file names. None: only by name."""
    models: tuple[str, ...] = ("*",)
    names: dict[str, str] = {}
    """Fields that are called otherwise, such as ``max_tokens: max_completion_tokens``. Of chat only."""
    without: tuple[str, ...] = ()
    """Fields that are not sent, as the model refuses them."""
    most_n: int = 128
    """Completions that one call may ask for."""
    most_stops: int | None = None
    """Stop strings that one call may name. Texts are cut at all of them here in any case."""


class EndpointOptions(Record, frozen=True, omit_defaults=True):
    """A model behind an endpoint, and how it is asked."""

    model: str
    """The model's name at the endpoint."""
    base_url: str = "https://api.openai.com/v1"
    """Up to and with the version; a query (``?api-version=…``) is kept behind the path."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """*Name* of the environment variable that holds the key. None: the endpoint asks for none."""
    key_header: str = "Authorization"
    """Header the key is sent in: ``Authorization`` as a bearer token, another one as it is (Azure: ``api-key``)."""
    endpoint: Endpoint = "chat"
    """``completions`` is the older one, which base models answer."""
    system: str | None = None
    """System message of a chat."""
    profile: str | dict[str, Any] | None = None
    """Name in profiles.yaml, or the keys of :class:`Profile`. None: by host and model."""
    extra: dict[str, Any] = {}
    """Further fields of each request, as the endpoint documents them (``reasoning_effort: low``)."""
    n: int = 1
    """Completions of one question that a call asks for: the prompt is paid once for all of them, and they share one
    seed, so their texts cannot be had again one by one."""
    concurrency: int = 64
    """Calls under way at once, at most; fewer where the server answers 429."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Limits to keep by oneself. None: those that the server's headers tell."""
    batch: bool = False
    """Ask through the batch endpoints: at the batch price, with an answer within a day."""
    timeout: float = 600.0
    """Seconds for one call."""
    retries: int = 8
    """Times that a call is sent again after a server's fault, a reset or a timeout; 429 does not count."""
    patience: float = 120.0
    """Seconds without one good answer after which the run stops."""
    thinking: Tags | None = ("<think>", "</think>")
    """Thoughts between these tags are kept apart, as those are that the server keeps apart itself. None: they stay."""
    served_by: str | None = None
    """Who answers, for the completions' identity. None: the host, and ``local`` for this machine, whatever the port."""
    revision: str = ""
    """Raise it when the model behind the name has changed: what it wrote before is then not taken for its own."""
    price: Price | None = None
    """Per million tokens. None: from prices.yaml where the model is there."""


class RemoteOptions(EndpointOptions, frozen=True, omit_defaults=True):
    """Options of the ``openai`` teacher."""

    format: TeacherFormat = "zero-shot-cot"
    """How it is asked: in two stages (Kojima et al. 2022); in one, with the answer's form stated (for chat and
    reasoning models); or as the methods of these names."""
    max_new_tokens: tuple[int, int] = (512, 32)
    """For the rationale and for the answer stage. A reasoning model's thoughts count."""
    refused: Literal["fail", "missing"] = "fail"
    """What a request that the endpoint refuses for what it says (a content filter) does to its step: fail it, or be
    missing from it, as it would be from a recording."""
    rationale: RationaleSource = "text"
    """What students learn from: what the model answered up to its answer, what it thought, or one after the other."""


def remote_options(name: str, options: dict[str, Any]) -> RemoteOptions:
    """Checks a teacher's options.

    Raises:
        BadInputError: a key is unknown, a value has the wrong type or cannot be.
    """
    where = f"options of teacher {name!r}"
    found = convert(options, RemoteOptions, where=where)
    check_asking(found.format, found.rationale, found.max_new_tokens, where=where)
    check_endpoint(found, where=where)
    return found


def check_endpoint(found: EndpointOptions, *, where: str) -> None:
    """Checks what all models behind an endpoint have.

    Raises:
        BadInputError: a value cannot be, or is not to be stated here.
        UnknownNameError: there is no such profile.
    """
    for key in ("n", "concurrency"):
        value = getattr(found, key)
        if value < 1:
            raise BadInputError(f"`{key}` is {value} and must be at least 1", where=where)
    for key in ("timeout", "patience", "requests_per_minute", "tokens_per_minute"):
        number = getattr(found, key)
        if number is not None and not 0 < number < math.inf:
            raise BadInputError(f"`{key}` is {number} and must be above 0", where=where)
    if found.retries < 0:
        raise BadInputError(f"`retries` is {found.retries} and must not be negative", where=where)
    if found.thinking is not None and not all(found.thinking):
        raise BadInputError("`thinking` has an empty tag", where=where, next_step="Null keeps thoughts in the text.")
    _check_address(found, where)
    _check_key(found, where)
    profile = profile_of(found, where=where)
    _check_profile(profile, f"{where}, profile")
    taken = (OWNED | {profile.names.get(name, name) for name in OWNED}) & found.extra.keys()
    if taken:
        raise BadInputError(
            f"`extra` states {', '.join(sorted(taken))}, which each request states itself",
            where=where,
            next_step="Use `n`, `max_new_tokens`, `system` and the matrix's seeds; or leave it out by a `profile`.",
        )


def _check_profile(profile: Profile, where: str) -> None:
    if profile.most_n < 1 or (profile.most_stops is not None and profile.most_stops < 1):
        raise BadInputError("`most_n` and `most_stops` must be at least 1", where=where)
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
            f"`base_url` is no address: {found.base_url!r}", where=where, next_step="Such as http://localhost:8000/v1."
        )
    secret = [name for name, _ in parse_qsl(url.query) if _SECRET_NAME.search(name)]
    if url.username or url.password or secret:
        held = f"`{secret[0]}`" if secret else "a user name or password"
        raise BadInputError(
            f"`base_url` holds {held}, which would be stored",
            where=where,
            next_step="Put the key into an environment variable and name that in `api_key_env` (and `key_header`).",
        )
    if url.scheme == "http" and found.api_key_env is not None and not is_local(url.hostname):
        raise BadInputError(
            "the key would go over the network unencrypted",
            where=where,
            next_step="Use https, or `api_key_env: null` where the server asks for no key.",
        )


def _check_key(found: EndpointOptions, where: str) -> None:
    if found.api_key_env is not None and not _VARIABLE.fullmatch(found.api_key_env):
        raise BadInputError(  # not shown: it may be the key itself
            "`api_key_env` is no name of an environment variable",
            where=where,
            next_step="Put the key into a variable such as MY_KEY, and give that name. A key stands in no matrix.",
        )
    if not _HEADER.fullmatch(found.key_header):
        raise BadInputError(f"`key_header` is no name of a header: {found.key_header!r}", where=where)


def profile_of(options: EndpointOptions, *, where: str = "") -> Profile:
    """The profile that the options name, state, or leave to host and model.

    Raises:
        UnknownNameError: there is none of that name.
        BadInputError: the keys stated are no profile.
    """
    if isinstance(options.profile, dict):
        return convert(options.profile, Profile, where=f"{where}, profile")
    if options.profile is not None:
        known = {profile.name: profile for profile in _profiles()}
        if options.profile not in known:
            raise UnknownNameError.of("profile", options.profile, known, where=where)
        return known[options.profile]
    host = urlsplit(options.base_url).hostname or ""
    model = options.model.rsplit("/", 1)[-1]
    fitting = (p for p in _profiles() if _fits(host, p.hosts) and _fits(model, p.models))
    return next(fitting)


def asking_resources(options: EndpointOptions) -> Resources:
    """One endpoint is asked by one step at a time; batches of many may be out."""
    lane = "" if options.batch else urlsplit(options.base_url).netloc
    return Resources(cpus=1, memory_gb=0.5, lane=lane)


def identity(options: EndpointOptions) -> dict[str, Any]:
    """All that a completion's text depends on besides prompt and sampling; limits and prices are no part of it."""
    url = urlsplit(options.base_url)
    profile = profile_of(options)
    return {
        "model": options.model,
        "served_by": options.served_by or ("local" if is_local(url.hostname) else url.hostname),
        "endpoint": options.endpoint,
        "system": options.system,
        "extra": options.extra,
        "n": min(options.n, profile.most_n),
        "without": sorted(profile.without),
        "thinking": options.thinking,
        "revision": options.revision,
    }


def plain(options: EndpointOptions) -> dict[str, Any]:
    """Options as plain data, without those that are defaults."""
    data = msgspec.to_builtins(options)
    assert isinstance(data, dict)
    return data


@cache
def _profiles() -> tuple[Profile, ...]:
    return tuple(convert(entry, Profile, where=f"{PROFILES}, {entry['name']}") for entry in read_yaml(PROFILES))


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def is_local(host: str | None) -> bool:
    """Whether a host is this machine."""
    return host in LOOPBACK
