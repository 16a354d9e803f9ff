"""Colours of the site. Each has one meaning, on every page and in every chart: a method, a verdict or a share."""

from __future__ import annotations

from collections.abc import Iterable

TEXT, DIM, LINE, BACK = "#1b1f24", "#56606c", "#d6dae0", "#ffffff"
"""Colours of texts, of minor texts, of rules and of the page, in light mode."""
_DARK = {TEXT: "#e6e9ee", DIM: "#a3adba", LINE: "#3a424d", BACK: "#14171c"}
_NAMES = {TEXT: "text", DIM: "dim", LINE: "line", BACK: "back"}

_METHODS = (
    ("#59636e", "#a9b4c0"), ("#7b3fb0", "#c79bff"), ("#b0246e", "#ff86bd"), ("#00757a", "#4fd0d6"), ("#7a5230", "#d9b08c"),
    ("#5d6b00", "#c3d24e"), ("#a8481f", "#ff9d76"), ("#0a6aa1", "#6cc3f5"), ("#33415c", "#d7def0"), ("#8f1f8f", "#f08cf0"),
    ("#8a6100", "#f0c24a"), ("#4a3f9e", "#a99cff"),
)  # fmt: skip
"""Colours of methods, in light and in dark mode: each has a contrast of at least 4.5 to the page."""
_FIXED = ("teacher", "fine-tune-cot", "fine-tune", "zero-shot-cot", "zero-shot", "few-shot-cot", "few-shot")
"""Methods that have the same colour on every site: the first ones."""

VERDICTS = {"supported": "#12732f", "inconclusive": "#7d5c00", "contradicted": "#b3261e", "not tested": DIM}
_DARK_VERDICTS = {"supported": "#6fd08c", "inconclusive": "#e3b84a", "contradicted": "#ff8f87"}

_ACCURACY = ("#edf3fb", "#d3e3f6", "#b0cdee", "#84b0e2", "#5590d2", "#2f6fb9", "#1b5399", "#0f3a75")
_WRONG = ("#fdf0ee", "#fbdcd7", "#f6bab2", "#ee9084", "#dd6357", "#c03e33", "#982a22", "#701b15")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])


def method_colours(methods: Iterable[str]) -> dict[str, str]:
    """Return the colour of each method in light mode. More methods than colours share colours."""
    names = [*_FIXED, *sorted(set(methods) - {*_FIXED, "random"})]
    return {name: _METHODS[place % len(_METHODS)][0] for place, name in enumerate(names)} | {"random": LINE}


def shade(percent: float, *, wrong: bool = False) -> str:
    """Return the colour of an accuracy, or of a share of wrong answers, in percent: the darker, the larger."""
    shades = _WRONG if wrong else _ACCURACY
    return shades[min(int(percent / 100 * len(shades)), len(shades) - 1)]


def ink(percent: float, *, wrong: bool = False) -> str:
    """Return the colour of a number on its :func:`shade`, which is the same in both modes."""
    dark, light = "#10141a", "#fefefe"
    behind = luminance(shade(percent, wrong=wrong))
    return dark if (behind + 0.05) ** 2 > (luminance(dark) + 0.05) * (luminance(light) + 0.05) else light


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as ``#1b1f24`` (WCAG 2.2), from 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def css_class(colour: str) -> str:
    """Return the name of the CSS variable, and of the class, of a colour in light mode; empty where it has none."""
    return _CLASSES.get(colour, "")


def stylesheet() -> str:
    """Return the style sheet that names the colours, in both modes."""
    light = [f"--{name}: {colour};" for colour, name in _CLASSES.items()]
    dark = [f"--{_CLASSES[colour]}: {other};" for colour, other in _IN_THE_DARK.items()]
    marks = [f".mark-{name} {{ color: var(--{name}); }}" for name in _CLASSES.values()]
    return "\n".join(
        [
            f":root {{ {' '.join(light)} }}",
            f"@media (prefers-color-scheme: dark) {{ :root {{ {' '.join(dark)} }} }}",
            *marks,
            "",
        ]
    )


_CLASSES = {
    **_NAMES,
    **{light: f"m{place}" for place, (light, _) in enumerate(_METHODS)},
    **{colour: verdict for verdict, colour in VERDICTS.items() if colour != DIM},
}
_IN_THE_DARK = {**_DARK, **dict(_METHODS), **{VERDICTS[verdict]: colour for verdict, colour in _DARK_VERDICTS.items()}}
