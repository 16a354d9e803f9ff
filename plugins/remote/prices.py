"""Prices of models, as dated data (prices.yaml)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace
from rtbench_plugins.remote.options import EndpointOptions

from rtbench.api import Price, Record, convert, read_yaml

PRICES = Path(__file__).with_name("prices.yaml")


class ModelPrice(Record, frozen=True):
    """Prices of a model, in USD per million tokens."""

    input: float
    output: float
    cached: float | None = None


class PriceList(Record, frozen=True):
    """An entry of prices.yaml."""

    as_of: str
    """Date of the prices."""
    host: str
    models: dict[str, ModelPrice]
    batch: float = 1.0
    """Factor on the prices of calls in batches."""


def price_of(options: EndpointOptions) -> Price | None:
    """Return the price of a model: the one in its options, else the one in the list for the model at its host.

    A dated name (``gpt-4o-2024-08-06``) has the price of its family.

    Returns:
        None where the price is unknown.
    """
    if options.price is not None:
        return options.price
    host = urlsplit(options.base_url).hostname
    for entry in _lists():
        name = _listed(options.model, entry)
        if entry.host == host and name is not None:
            listed = entry.models[name]
            return Price(
                input=listed.input, output=listed.output, cached=listed.cached, batch=entry.batch, as_of=entry.as_of
            )
    return None


def asking_price(options: EndpointOptions) -> Price | None:
    """Return the price of calls as the options send them: in batches, it includes the batch factor."""
    price = price_of(options)
    if price is None or not options.batch:
        return price
    cached = None if price.cached is None else price.cached * price.batch
    return replace(price, input=price.input * price.batch, output=price.output * price.batch, cached=cached, batch=1.0)


def _listed(model: str, entry: PriceList) -> str | None:
    if model in entry.models:
        return model
    family, _, rest = model.rpartition("-20")
    return family if family in entry.models and rest[:2].isdigit() else None


@cache
def _lists() -> tuple[PriceList, ...]:
    return tuple(
        convert(entry, PriceList, where=f"{PRICES}, entry {i}") for i, entry in enumerate(read_yaml(PRICES), 1)
    )
