"""Drawings of charts: SVG that is part of a page and follows its colours, and PNG to download."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from rtbench_plugins.site.chart import Chart, Datum, Series, Size
from rtbench_plugins.site.palette import BACK, LINE, TEXT, css_class

from rtbench.api import shown_in_line

if TYPE_CHECKING:
    from markupsafe import Markup

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_TAGS = {"svg", "g", "path", "rect", "line", "text", "tspan", "circle"}
"""Elements of drawings. Others are left out, with what is in them."""
_ATTRIBUTES = {
    "viewBox", "d", "transform", "x", "y", "x2", "y2", "dx", "dy", "width", "height", "fill", "stroke", "stroke-width", "stroke-dasharray",
    "stroke-miterlimit", "opacity", "fill-opacity", "stroke-opacity", "font-size", "font-weight", "text-anchor", "display",
}  # fmt: skip
_COLOURED = {"fill", "stroke"}
_SVG = "{http://www.w3.org/2000/svg}"
_SHAPES = {
    "circle": "M6 1a5 5 0 1 0 .01 0z", "square": "M2 2h8v8h-8z", "triangle-up": "M6 1l5.5 9.5h-11z", "diamond": "M6 0l4 6l-4 6l-4-6z",
    "cross": "M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z", "triangle-down": "M6 11l5.5-9.5h-11z",
}  # fmt: skip


def inline(chart: Chart, size: Size) -> Markup:
    """Return a chart as SVG for a page. Texts are data: of the drawing, only shapes, texts and colours are kept."""
    import vl_convert
    from markupsafe import Markup

    text = vl_convert.vegalite_to_svg(_whole(chart.spec(size), size), allowed_base_urls=[])
    root = ET.fromstring(text)  # noqa: S314 - a drawing of ours, in which texts of others are escaped
    kept = _kept(root)
    assert kept is not None
    left, top, width, height = kept.get("viewBox", "0 0 0 0").split()
    kept.set("viewBox", f"{left} {top} {max(float(width), size.width):g} {height}")  # small drawings are not enlarged
    for name in ("width", "height"):  # the page decides
        del kept.attrib[name]
    kept.set("focusable", "false")
    return Markup(ET.tostring(kept, encoding="unicode"))  # noqa: S704 - serialised from elements, so all texts are escaped


def picture(chart: Chart, size: Size) -> bytes:
    """Return a chart as PNG, in the colours of light mode and with its legend."""
    import vl_convert

    spec = _whole(chart.spec(size), size, title=chart.title)
    if chart.legend:
        spec = _whole({"vconcat": [chart.spec(size), _legend(chart.legend, size)]}, size, title=chart.title)
    return bytes(vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[]))


def symbol(series: Series, *, line: bool) -> Markup:
    """Return the symbol of an entry of a legend as SVG."""
    from markupsafe import Markup

    colour = _colour(series.colour)
    root = ET.Element(
        "svg", {"viewBox": "0 0 32 12", "width": "32", "height": "12", "aria-hidden": "true", "focusable": "false"}
    )
    if line:
        dashes = {} if series.dash[1] == 0 else {"stroke-dasharray": " ".join(map(str, series.dash))}
        ET.SubElement(root, "path", {"d": "M0 6h32", "stroke": colour, "stroke-width": "2", **dashes})
    ET.SubElement(root, "path", {"d": _SHAPES[series.shape], "transform": "translate(10)", "fill": colour})
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - serialised from elements, so all texts are escaped


def _whole(spec: Datum, size: Size, title: str | None = None) -> Datum:
    """Return a specification with its fonts and colours, in which hidden characters of texts are signs."""
    guide = {
        "labelFontSize": size.font, "titleFontSize": size.font, "labelColor": TEXT, "titleColor": TEXT, "titleFontWeight": "normal",
    }  # fmt: skip
    config: Datum = {
        "background": BACK if title else "transparent", "view": {"stroke": None},
        "axis": {**guide, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE, "labelLimit": 260},
        "header": {**guide, "labelFontWeight": "bold"}, "text": {"fontSize": size.font, "color": TEXT},
        "title": {"fontSize": size.font + 3, "color": TEXT, "anchor": "start", "offset": 12}, "padding": 16 if title else {"left": 4, "top": 8, "bottom": 4, "right": 12},
    }  # fmt: skip
    named = {"title": title} if title else {}
    spec = {name: value for name, value in spec.items() if name != "padding" or not title}
    return _visible({"$schema": _SCHEMA, **spec, "config": config, **named})  # type: ignore[no-any-return]


def _legend(entries: Sequence[Series], size: Size) -> Datum:
    """Return a legend as a chart of its own: a line for each entry."""
    names = [entry.name for entry in entries]
    down: Datum = {"field": "line", "type": "nominal", "sort": names, "axis": None}
    own: Datum = {"field": "line", "type": "nominal", "legend": None}
    colour = {**own, "scale": {"domain": names, "range": [entry.colour for entry in entries]}}
    shape = {**own, "scale": {"domain": names, "range": [entry.shape for entry in entries]}}
    layers = [
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "x": 8},
            "encoding": {"y": down, "color": colour, "shape": shape},
        },
        {
            "mark": {"type": "text", "align": "left", "baseline": "middle", "x": 22, "limit": size.width - 30},
            "encoding": {"y": down, "text": {"field": "line"}},
        },
    ]
    values = [{"line": name} for name in names]
    return {"data": {"values": values}, "layer": layers, "width": size.width - 30, "height": {"step": 20}}


def _visible(value: Any) -> Any:
    """Return data in which hidden characters of texts are signs, because a chart would draw them."""
    if isinstance(value, dict):
        return {key: _visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    return shown_in_line(value) if isinstance(value, str) else value


def _kept(element: ET.Element) -> ET.Element | None:
    """Return a copy of an element with what drawings need; None where a drawing needs none of it."""
    tag = element.tag.removeprefix(_SVG)
    if tag not in _TAGS or element.get("display") == "none" or (tag == "path" and not _drawn(element)):
        return None
    made = ET.Element(tag, dict(_attributes(element)))
    made.text = element.text
    made.extend(child for child in map(_kept, element) if child is not None)
    if tag == "g" and not len(made):
        return None
    while tag == "g" and not made.attrib and len(made) == 1:
        return made[0]
    return made


def _drawn(path: ET.Element) -> bool:
    return bool(path.get("d")) and any(path.get(paint, "none") not in {"none", "transparent"} for paint in _COLOURED)


def _attributes(element: ET.Element) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        if name in _COLOURED:
            yield name, _colour(value)
        elif name in _ATTRIBUTES:
            yield name, value
    if element.get("role") == "graphics-symbol" and element.get("aria-roledescription") in {
        "point",
        "rect mark",
        "circle",
    }:
        yield "data-said", element.get("aria-label", "")


def _colour(value: str) -> str:
    """Return a colour that follows the mode of the page, where it is one of the palette."""
    name = css_class(value)
    return f"var(--{name})" if name else value
