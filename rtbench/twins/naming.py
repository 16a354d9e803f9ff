"""Settings of a twin's data, and their names as variants of the twin's task."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rtbench.schema.base import Record

_PREFIX = "twin-"
_MOST_DIGITS = 10
"""Digits of the largest seed."""


class TwinSetting(Record, frozen=True):
    """Seed and knobs that determine a twin's data."""

    seed: int
    knobs: dict[str, object] = {}
    """Knobs of train, validation and test questions that replace the twin's own."""
    ood_knobs: dict[str, object] = {}
    """Knobs of the out-of-distribution fold that replace the twin's own."""


def variant_of(
    seed: int, knobs: Mapping[str, object] | None = None, ood_knobs: Mapping[str, object] | None = None
) -> str:
    """Return the name of a twin's data as a variant of its task: ``twin-0``, ``twin-0+steps=3+ood.steps=4``."""
    turned = sorted((knobs or {}).items())
    turned += [(f"ood.{name}", value) for name, value in sorted((ood_knobs or {}).items())]
    return "".join([f"{_PREFIX}{seed}", *(f"+{name}={msgspec.json.encode(value).decode()}" for name, value in turned)])


def setting_of(variant: str) -> TwinSetting | None:
    """Return the setting from a name of :func:`variant_of`; None where the variant is not a twin's."""
    seed, *turned = variant.removeprefix(_PREFIX).split("+")
    if not (variant.startswith(_PREFIX) and seed.isascii() and seed.isdecimal() and len(seed) <= _MOST_DIGITS):
        return None
    knobs: dict[str, object] = {}
    ood_knobs: dict[str, object] = {}
    for item in turned:
        name, _, value = item.partition("=")
        target = ood_knobs if name.startswith("ood.") else knobs
        try:
            target[name.removeprefix("ood.")] = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return None
    setting = TwinSetting(seed=int(seed), knobs=knobs, ood_knobs=ood_knobs)
    return setting if variant_of(setting.seed, setting.knobs, setting.ood_knobs) == variant else None
