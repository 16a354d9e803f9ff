"""Primitives of the pre-training text.

They are copying and looking up in context, letters of words, one-step arithmetic, one-step changes of state, options and
their letters, dates, facts of the small world, words, and single sentences of the twins.

No primitive solves a task in several steps: base models learn basic skills, and fine-tuning has to combine them. Each
primitive returns a document in pieces. A piece is *determined* if it follows from the text before it (or from the small
world); its loss has full weight.
"""
