"""Reads arithmetic word problems of the twins and solves them from their text alone, for the tests of those twins.

A reader is a list of rules. Each rule matches one or more sentences at the start of what is not read yet, and says in
a line of Python what they mean: ``v`` is the running value, ``h`` what a person has, ``d`` what a day brought, ``nums``
all numbers of the sentence. In a pattern ``_`` is any word, ``#x`` a number, ``@n`` a name or day, ``$s`` a noun and
``=s`` the same word again. The last rule, a question, leaves the answer in ``v``.
"""

from __future__ import annotations

import re
from typing import Any

Rules = tuple[tuple[str, str], ...]


def _regex(pattern: str) -> re.Pattern[str]:
    out = re.sub(r"#(\w+)", r"(?P<\1>\\d+)", pattern)
    out = re.sub(r"@(\w)", r"(?P<\1>[A-Z][a-z]+)", out)
    out = re.sub(r"\$(\w)", r"(?P<\1>[a-z]+)", out)
    out = re.sub(r"=(\w)", r"(?P=\1)", out)
    out = re.sub(r"(?<![\w?])_(?!\w)", r"[A-Za-z]+", out)
    return re.compile(f"(?:{out})".replace(". ", r"\. ") + r"[.?](?: |$)")


def part(a: int, b: int) -> int:
    """An even share; a question whose shares are uneven has no whole answer."""
    assert a % b == 0, (a, b)
    return a // b


def read(text: str, rules: Rules) -> int:
    """The answer; fails on a sentence that no rule knows, and on a division that leaves a rest."""
    state: dict[str, Any] = {"h": {}, "d": {}, "part": part}
    left = text
    while left:
        for pattern, meaning in rules:
            found = _compiled(pattern).match(left)
            if found:
                state |= {name: int(got) if got.isdigit() else got for name, got in found.groupdict().items()}
                state["nums"] = [int(number) for number in re.findall(r"\d+", found[0])]
                exec(meaning, {}, state)
                left = left[found.end() :]
                break
        else:
            raise AssertionError(f"not understood: {left}")
    answer: int = state["v"]
    return answer


_KNOWN: dict[str, re.Pattern[str]] = {}


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern not in _KNOWN:
        _KNOWN[pattern] = _regex(pattern)
    return _KNOWN[pattern]


EVENTS: Rules = (
    ("Then _ got #z more _ from _", "v += z"),
    ("After that _ found #z more _", "v += z"),
    ("Then _ bought #z more _", "v += z"),
    ("Then _ gave #z of the _ to _", "v -= z"),
    ("After that _ lost #z of the _", "v -= z"),
    ("Then _ sold #z of the _", "v -= z"),
)
NOW: Rules = (
    ("How many _ does _ have now", "pass"),
    ("What is the number of _ that _ has now", "pass"),
)
TWO_PEOPLE: Rules = (
    ("How many more _ does @n have than @o", "v = h[n] - h[o]"),
    ("How many _ do @n and @o have together", "v = h[n] + h[o]"),
)

SINGLE_EQ: Rules = (
    *EVENTS,
    ("_ works at the _", "pass"),
    ("_ and _ are friends", "pass"),
    ("On _ _ was at the _ with _", "pass"),
    ("_ and _ meet at the _ each _", "pass"),
    ("_ went to the _ to see _", "pass"),
    ("_ had #x _ and then found #y more _", "v = x + y"),
    ("At first _ had #x _", "v = x"),
    ("_ had #x _", "v = x"),
    ("_ had some _", "pass"),
    ("_ gave #x _ to _ and now has #y _ left", "v = x + y"),
    ("_ took #x of the _ that _ had. Now _ has #y _ left", "v = x + y"),
    ("_ gave #y of the _ to _", "v -= y"),
    ("_ took #y of the _", "v -= y"),
    ("There are #x _ at the _. #y of the _ are _ and all the others are _", "v = x - y"),
    ("Then _ gave _ some more _. Now _ has #x _", "v = x - v"),
    ("_ gave more _ to _, and now _ has #x _", "v = x - v"),
    ("@o has #y _, and @n has #x _", "h = {n: x, o: y}"),
    ("@n has #x _ and @o has #y _", "h = {n: x, o: y}"),
    ("There are #x _ with @n and #y _ with @o", "h = {n: x, o: y}"),
    ("@n has #x _", "h[n] = v = x"),
    ("In each of the _ there are #y _", "v *= y"),
    ("_ has #x _ with #y _ in each", "v = x * y"),
    ("_ bought #x _ at the _. The _ cost #y dollars each", "v = x * y"),
    ("_ wants to buy #x _. _ sells the _ for #y dollars each", "v = x * y"),
    ("@n has #y times as many _ as @o, and =o has #x _", "v = x * y"),
    ("@n has #y times as many _ as @o", "v = h[o] * y"),
    ("_ has #x _ and wants to put the same number of _ into each of #y _", "v = part(x, y)"),
    ("_ puts #x _ into #y _, with the same number of _ in each", "v = part(x, y)"),
    ("_ has #x _ and packs #y _ into each of the _", "v = part(x, y)"),
    ("_ wants to pack #x _ into _ with #y _ in each", "v = part(x, y)"),
    ("_ paid #x dollars for #y _ at the _. All of the _ cost the same", "v = part(x, y)"),
    ("#y _ cost #x dollars at the _, and all of the _ cost the same", "v = part(x, y)"),
    ("_ shares #x _ equally among #y friends, and _ is one of the friends", "v = part(x, y)"),
    ("_ is one of #y friends who share #x _ equally", "v = part(x, y)"),
    *TWO_PEOPLE,
    *NOW,
    ("How many _ does _ (?:have|need|get|have left|have in all)", "pass"),
    ("How many _ did _ (?:have at first|give to _)", "pass"),
    ("How many _ _ are there", "pass"),
    ("How many dollars (?:do the _ cost in all|did each of the _ cost)", "pass"),
    ("How many _ will there be in each of the _", "pass"),
)

ADDSUB: Rules = (
    ("One _ some friends went to the _", "pass"),
    ("@n found #x _ and @o found #y _", "h = {n: x, o: y}"),
    ("(?:_ found \\d+ _(?:, | and )?)+ there", "v = sum(nums)"),
    ("_ works at the _ and sells _", "pass"),
    ("_ sold (?:\\d+ _ on _(?:, | and )?)+", "v = sum(nums)"),
    ("On _ _ looked at all the _ at the _", "pass"),
    ("There were #x _ at the _ at first", "v = x"),
    ("There were #x _ at the _ on _", "v = x"),
    ("There were (?:\\d+ _ _(?:, | and )?)+", "v = sum(nums)"),
    ("_ went to the _ on _", "v = 0"),
    ("_ had #x dollars and went to the _", "v = -x"),
    ("There _ paid (?:\\d+ dollars for some _(?:, | and )?)+", "v = abs(v + sum(nums))"),
    ("Then (?:_ took \\d+ more _(?:, | and )?)+ to the _", "v += sum(nums)"),
    ("Then (?:_ took \\d+ _(?:, | and )?)+ home from the _", "v -= sum(nums)"),
    ("_ had some _", "v = 0"),
    ("_ had #x _ at the _", "v = x"),
    ("On _ _ gave (?:\\d+ _ to _(?:, | and )?)+", "v -= sum(nums)"),
    ("Then _ had #y _ left", "v = y - v"),
    (
        "There are #x _ at the _. Of all these _ (?:\\d+ are _(?:, | and )?)+, and the rest are _",
        "v = x - sum(nums[1:])",
    ),
    ("On _ there were #y _ at the _. Then _ put more _ there, and now there are #x", "v = x - y"),
    ("_ and _ were at the _ on _", "pass"),
    ("How many more _ did @n find than @o", "v = h[n] - h[o]"),
    ("How many _ did _ (?:sell in all|have at first|put there)", "pass"),
    ("How many _ did the friends find in all", "pass"),
    ("How many dollars did _ pay at the _ in all", "pass"),
    ("How many _ (?:were|are) there at the _ (?:in all|now)", "pass"),
    ("How many _ does _ have left", "pass"),
    ("How many _ _ are there at the _", "pass"),
    ("How many _ are left at the _", "pass"),
)

SVAMP: Rules = (
    ("_ also has \\d+ _", "pass"),
    ("_ is \\d+ years old", "pass"),
    ("_ lost \\d+ _ on _", "pass"),
    ("_ paid \\d+ dollars for some _", "pass"),
    ("It took _ \\d+ minutes to get to the _", "pass"),
    ("There are also \\d+ _ at the _", "pass"),
    *EVENTS,
    ("@n has #x _", "h[n] = x"),
    ("@o has #y _, and @n has #x _", "h |= {n: x, o: y}"),
    ("There are #x _ with @n", "h[n] = x"),
    ("_ sold #x _ at the _ on @a", "d[a] = x"),
    ("On @a _ sold #y _", "d[a] = y"),
    ("The day before, on @a, _ sold #x _", "d[a] = x"),
    ("There were some _ at the _. _ took #x of these _, and #y _ were left", "v = x + y"),
    ("_ took #x _ home from the _. Then there were #y _ left at the _", "v = x + y"),
    ("There were #x _ at the _. _ took #y _ home from the _", "v = x - y"),
    ("_ took #y of the _ that were at the _. Before that there were #x _", "v = x - y"),
    ("_ had #x _ before _ took #y of these _", "v = x - y"),
    ("_ had #x _", "v = x"),
    ("_ gave #y more _ to _", "v += y"),
    ("_ gave #y _ to _, and before that _ had #x _", "v = x + y"),
    ("_ gave #y _ to _", "v -= y"),
    ("_ has #x _ at the _. There are #y _ in each of the _", "v = x * y"),
    ("_ has some _ with #y _ in each. There are #x of these _", "v = x * y"),
    ("_ bought #x _ at the _. Each of the _ cost #y dollars", "v = x * y"),
    ("At the _ _ paid #y dollars for each of the _. _ bought #x of these _", "v = x * y"),
    ("_ put #x _ into #y _. All of the _ hold the same number of _", "v = part(x, y)"),
    ("There are #y _ at the _. _ put #x _ into these _, the same number into each", "v = part(x, y)"),
    ("_ has #x _ at the _. _ packs #y _ into each of the _", "v = part(x, y)"),
    ("_ needs _ for #x _. In each of the _ there will be #y _", "v = part(x, y)"),
    ("_ shared #x _ equally among #y friends. _ was one of the friends", "v = part(x, y)"),
    ("_ and some others were #y friends in all. _ shared #x _ equally among the friends", "v = part(x, y)"),
    *TWO_PEOPLE,
    ("How many _ did _ sell on @a and @b together", "v = d[a] + d[b]"),
    ("How many more _ did _ sell on @a than on @b", "v = d[a] - d[b]"),
    *NOW,
    ("How many _ does _ (?:need|have left|have in all of the _)", "pass"),
    ("How many _ were there at the _ at first", "pass"),
    ("How many of the _ are left at the _", "pass"),
    ("How many dollars did _ pay for the _", "pass"),
    ("How many _ are there in each of the _", "pass"),
    ("How many _ did _ get", "pass"),
)

MULTIARITH: Rules = (
    ("_ had #x _ of _ with #z _ in each. Then _ gave #y of the _ to _", "v = (x - y) * z"),
    *EVENTS,
    ("Then the number of _ grew to #z times what it was", "v *= z"),
    ("After some days _ had #z times as many _", "v *= z"),
    ("Then _ took each of the _ to a machine that makes #z _ out of one", "v *= z"),
    ("_ put all the _ into #z _, the same number into each, and kept one of the _", "v = part(v, z)"),
    ("Then _ shared all the _ equally among #z friends and was one of these friends", "v = part(v, z)"),
    ("_ had #x _ at the _", "v = x"),
    ("One _ _ found #x _ at the _", "v = x"),
    ("On _ _ went to the _ and bought #x _", "v = x"),
    ("_ has #x _ _ and #y _ _", "v = x + y"),
    ("_ bought #x _ and #y _ _ at the _", "v = x + y"),
    ("_ puts #z _ into each of the _", "v = part(v, z)"),
    ("_ puts #x _ and #y _ _ into _, with #z _ in each", "v = part(x + y, z)"),
    ("_ had #x _ and gave #y _ to _", "v = x - y"),
    ("_ had #x _ at the _ and sold #y of the _", "v = x - y"),
    ("(?:_ puts the rest|The rest go) into _ with #z in each", "v = part(v, z)"),
    ("There were #x rows of _ at the _ with #y _ in each of the rows", "v = x * y"),
    ("Then _ took #z of the _", "v -= z"),
    ("_ put _ into #x rows with #y _ in each. _ took #z of these _ home", "v = x * y - z"),
    ("_ has #x _ with #y _ in each and #z more _ that are in none of the _", "v = x * y + z"),
    ("_ bought #x _ of _ at the _", "v = x"),
    ("_ took #x _ of _ to the _ and sold #y of the _", "v = x - y"),
    ("There are #y _ in each", "v *= y"),
    ("Each of the _ holds #z _", "v *= z"),
    ("_ had #z _ before that", "v += z"),
    ("_ had #z dollars and went to the _", "v = z"),
    ("There _ bought #x _ for #y dollars each", "v -= x * y"),
    ("_ paid for #x _ at the _. The _ cost #y dollars each, and _ had #z dollars", "v = z - x * y"),
    ("_ shares #x _ equally among #y friends", "v = part(x, y)"),
    ("_ is one of the friends and had #z _ before", "v += z"),
    ("_ had #z _. Then _ and some others, #y friends in all, share #x more _ equally", "v = z + part(x, y)"),
    *NOW,
    ("How many _ does _ (?:need for all of the _|need|have left|have in all)", "pass"),
    ("How many _ are left in the rows", "pass"),
)

GSM8K: Rules = (
    ("_ and _ are friends", "pass"),
    ("_ is one of the friends of _", "pass"),
    ("_ works with _", "pass"),
    *EVENTS,
    ("_ went to the _ on _ and bought #a _ for #p dollars each and #b _ for #q dollars each", "v = a * p + b * q"),
    (
        "At the _ the $s cost #p dollars each and the $t cost #q dollars each. _ bought #a =s and #b =t",
        "v = a * p + b * q",
    ),
    ("_ had #z dollars at first", "v = z - v"),
    ("Before that _ had #z dollars", "v = z - v"),
    ("_ and some friends, #z people in all, each paid the same part of this", "v = part(v, z)"),
    ("Then _ paid #z dollars for food", "v -= z"),
    ("After that _ paid #z dollars for a ticket", "v -= z"),
    ("After that _ found #z dollars", "v += z"),
    ("_ shared all these dollars equally among #z friends", "v = part(v, z)"),
    ("Then _ gave half of the _ to _", "v = part(v, 2)"),
    ("After that _ lost half of the _", "v = part(v, 2)"),
    ("Then _ sold all the _ for #z dollars each", "v *= z"),
    ("After that _ bought all these _ from _ for #z dollars each", "v *= z"),
    ("Then _ put all the _ into _ with #z _ in each", "v = part(v, z)"),
    ("Now _ packs #z _ into each of the _", "v = part(v, z)"),
    ("_ and _ work at the _", "pass"),
    ("_ and _ made _ at the _ on _", "pass"),
    ("@n sold #a _ each day for #p days", "h[n] = a * p"),
    ("@n made #a _ each hour for #p hours", "h[n] = a * p"),
    ("_ (?:sold|found) #a _ at the _ on @x", "d[x] = a"),
    ("On @y _ sold twice as many _ as on @x", "d[y] = d[x] * 2"),
    ("On @y _ found half as many _ as on @x", "d[y] = part(d[x], 2)"),
    ("On @y _ sold #k fewer _ than on @x", "d[y] = d[x] - k; v = sum(d.values())"),
    ("On @y _ found #k more _ than on @x", "d[y] = d[x] + k; v = sum(d.values())"),
    ("@n has #a _", "h[n] = a"),
    ("@n has #k more _ than @o", "v = h[n] = h[o] + k"),
    ("@n has #k fewer _ than @o", "v = h[n] = h[o] - k"),
    ("@n has #k times as many _ as @o", "v = h[n] = h[o] * k"),
    ("@n has as many _ as @o and @t together", "v = h[n] = h[o] + h[t]"),
    ("_ has #a _ _ with #p _ in each and #b _ _ with #q _ in each", "v = a * p + b * q"),
    (
        "_ took #a $r _ and #b $s _ home. There are #p _ in each of the =r _ and #q _ in each of the =s _",
        "v = a * p + b * q",
    ),
    (
        "_ works at the _ and gets #a dollars each day. Each day _ pays #b dollars for food. _ works for #p days",
        "v = (a - b) * p",
    ),
    ("_ has a machine that makes #a _ each hour", "pass"),
    ("The machine worked for #p hours on _ and for #q hours on _", "v = a * (p + q)"),
    ("_ had #a _ _ and #b _ _ and shared all of the _ equally among #n friends", "v = part(a + b, n)"),
    ("_ was one of the friends and had #k _ before", "v += k"),
    (
        "_ took #a _ and #c dollars to the _ and sold the _ for #p dollars each. In the end #b of the _ were left",
        "v = (a - b) * p + c",
    ),
    *NOW,
    ("How many _ did @n and @o sell together", "v = h[n] + h[o]"),
    ("How many more _ did @n make than @o", "v = h[n] - h[o]"),
    ("How many _ did _ (?:sell|find) on these three days in all", "pass"),
    ("How many _ does _ (?:have|need|have in all|have from the machine)", "pass"),
    ("How many dollars (?:are left with _ in the end|did _ pay in all|did _ get for the _)", "pass"),
    ("How many dollars did each of (?:the friends get|these people pay)", "pass"),
)

AQUA: Rules = (
    ("The sum of #x and #y is multiplied by #z", "v = (x + y) * z"),
    ("#x is added to #y and the sum is multiplied by #z", "v = (x + y) * z"),
    ("#x is multiplied by #y and #z is taken away from the product", "v = x * y - z"),
    ("From the product of #x and #y the number #z is taken away", "v = x * y - z"),
    ("(?:Then|To this) #z is added", "v += z"),
    ("(?:Then|From this) #z is taken away", "v -= z"),
    ("When a number is multiplied by #z and #y is added to the product, the result is #x", "v = part(x - y, z)"),
    ("#z times a number and #y more is #x", "v = part(x - y, z)"),
    ("_ wrote down the numbers #x and #y", "v = part(x + y, 2)"),
    ("_ wrote down the numbers #x, #y and #z", "v = part(x + y + z, 3)"),
    ("_ has #x _ and _ has #y _", "v = part(x + y, 2)"),
    ("The average of two numbers is #x, and one of the numbers is #y", "v = 2 * x - y"),
    (
        "@n and @o each have a number. The number of _ is #y, and the average of both numbers is #x",
        "v = 2 * x - y",
    ),
    ("The price of #y _ at the _ is #x dollars. _ needs #z _", "v = part(x, y)"),
    ("_ needs #z _, and _ paid #x dollars for #y of these _", "v = part(x, y)"),
    ("The car of _ goes #x km each hour. After #y hours there are #z km left to the _", "v = x * y + z"),
    ("On the way to the _ the car of _ went #x km each hour for #y hours. Now #z km are left", "v = x * y + z"),
    ("The way to the _ is #z km long. The car of _ went #x km each hour for #y hours", "v = z - x * y"),
    ("_ goes #z km by car to the _. The car goes #x km each hour and went for #y hours", "v = z - x * y"),
    ("#y machines make #x _ in one hour, and all of the machines are the same", "v = part(x, y)"),
    ("In one hour #y machines of the same kind make #x _", "v = part(x, y)"),
    ("_ is #x years old. _ is #y times as old as _", "v = x * y"),
    ("_ is #y times as old as _, and _ is #x years old", "v = x * y"),
    ("_ bought #x _ for #y dollars each and sold all of the _ for #z dollars", "v = z - x * y"),
    ("At the _ _ got #z dollars for #x _. Before that _ had paid #y dollars for each", "v = z - x * y"),
    (
        "The _ has four sides. Two of the sides are #x m long and the other two are #y m long",
        "v = 2 * x + 2 * y",
    ),
    ("_ goes around a _ with four sides, two of #x m and two of #y m", "v = 2 * x + 2 * y"),
    (
        "The car of _ went #a km each hour for #p hours on _ and #b km each hour for #q hours on _",
        "v = a * p + b * q",
    ),
    ("There were #c _ at the _. Each hour #x more _ come and #y of the _ are sold", "v = c"),
    ("The price of #y _ is #x dollars. _ has #k dollars and buys #z of these _", "v = k - part(x, y) * z"),
    ("What is the result|What number is the result|What is the number|What is the other number", "pass"),
    ("What is the average of these (?:two|three) numbers", "pass"),
    ("What is the price of #z _ in dollars", "v *= z"),
    ("How many km long is the whole way", "pass"),
    ("How many km are left to the _", "pass"),
    ("How many _ do #z of these machines make in one hour", "v *= z"),
    ("How old will _ be in #z years", "v += z"),
    ("What was the gain of _ in dollars", "pass"),
    ("How many m long is the way around the _", "pass"),
    ("How many _ are there after #p hours", "v += (x - y) * p"),
    ("How many dollars does _ have left", "pass"),
)
