"""Words of the twins.

The pocket base models know them from their pre-training text (as single words, not in the twins' questions). Change
nothing here without training those models again.
"""

from __future__ import annotations

NAMES = (
    "Ada", "Amir", "Anna", "Ben", "Boris", "Carl", "Chloe", "Clara", "David", "Dina", "Doug", "Edith", "Emil", "Eric",
    "Farah", "Felix", "Fiona", "Frank", "Greta", "Hank", "Hugo", "Ines", "Ivan", "Jack", "Jacob", "Janet", "Jeff",
    "Judy", "Karim", "Kate", "Keith", "Kurt", "Lars", "Laura", "Leo", "Lewis", "Lucy", "Marek", "Max", "Meg", "Milo",
    "Mona", "Nadia", "Noah", "Oleg", "Olive", "Omar", "Oscar", "Paul", "Petra", "Priya", "Quinn", "Rita", "Robert",
    "Ruth", "Sam", "Sofia", "Tariq", "Tess", "Tom", "Uma", "Vera", "Wanda", "Zoe",
)  # fmt: skip
THINGS = (
    "apples", "balls", "beads", "books", "bottles", "boxes", "buttons", "cakes", "candles", "cards", "chairs", "coins",
    "cookies", "crayons", "cups", "eggs", "flowers", "grapes", "hats", "jars", "kites", "lamps", "lemons", "marbles",
    "mugs", "nuts", "oranges", "pears", "pencils", "pens", "photos", "pies", "plates", "plums", "rings", "rocks",
    "shells", "shirts", "socks", "spoons", "stamps", "stickers", "stones", "tickets", "toys",
)  # fmt: skip
COLOURS = (
    "amber", "black", "blue", "brown", "cream", "gold", "gray", "green", "orange", "pink", "purple", "red", "silver",
    "tan", "white", "yellow",
)  # fmt: skip
CONTAINERS = ("bags", "baskets", "boxes", "crates", "drawers", "packs", "rows", "shelves", "tables", "trays")
PLACES = (
    "bakery", "barn", "beach", "camp", "club", "farm", "garden", "kitchen", "library", "market", "museum", "office",
    "park", "school", "shop", "station", "store", "yard", "zoo",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
