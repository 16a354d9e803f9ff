"""Words of calculations: units, words that are no units, and functions."""

from __future__ import annotations

MEASURES = frozenset(
    """second sec minute min hour hr day week month year decade inch inche feet foot ft yard mile meter metre m
    millimeter millimetre mm centimeter centimetre cm kilometer kilometre km kg kilogram g gram mg pound lb
    ounce oz ton tonne cent penny pennie nickel dime quarter dollar euro dozen liter litre l ml gallon pint
    quart cup mph percent degree""".split()  # noqa: SIM905 - a list of a word per line is hard to read
)
"""Units of measurement, in the singular. Two of them in one equation mean a conversion, which is not checked."""

JOINTS = frozenset(
    """and or so then because since which that but while as if when with leaving leaves left remainder rem r is
    are was be we i you he she it they there this for each every in a an on at to from total altogether of by""".split()  # noqa: SIM905 - a list of a word per line is hard to read
)
"""Words that are never the unit of a number."""

FUNCTIONS = frozenset(
    """sin cos tan log ln lg exp floor ceil round gcd lcm max min mod factorial abs""".split()  # noqa: SIM905 - a list of a word per line is hard to read
)
"""Words before a number that make another value of it; "min" after a number is its unit."""
