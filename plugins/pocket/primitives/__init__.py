"""Primitives of the pre-training text: copying and looking up in context, letters of words, one-step arithmetic,
one-step changes of state, options and their letters, dates, facts of the small world, words and single sentences of
the twins.

None of it solves a task in several steps: what the base models get is skills, and putting them together is left to
fine-tuning. Each primitive returns a document in pieces; a piece is *determined* where the text before it (or the
world) fixes it, and the training loss counts it fully.
"""
