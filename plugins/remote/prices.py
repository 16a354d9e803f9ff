"""What models cost, as data with a date."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace
from rtbench_plugins.remote.options import EndpointOptions

from rtbench.api import Price, Record, convert, read_yaml

PRICES = Path(__file__).with_name("prices.yaml")


class ModelPrice(Record, frozen=True):
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float | None = None


class PriceList(Record, frozen=True):
    """One entry of prices.yaml."""

    as_of: str
    host: str
    models: dict[str, ModelPrice]
    batch: float = 1.0


def price_of(options: EndpointOptions) -> Price | None:
    """The price that the options state, else the list's for the model at its host; a dated name (``gpt-4o-2024-08-06``)
    has its family's. None where there is none."""
    if options.price is not None:
        return options.price
    host = urlsplit(options.base_url).hostname
    for entry in _lists():
        name = _listed(options.model, entry)
        if entry.host == host and name is not None:
            found = entry.models[name]
            return Price(
                input=found.input, output=found.output, cached=found.cached, batch=entry.batch, as_of=entry.as_of
            )
    return None


def asking_price(options: EndpointOptions) -> Price | None:
    """The price of asking the way the options say: in batches, the batch factor is in it."""
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
