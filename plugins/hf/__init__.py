"""Students and teachers through transformers.

``options``, ``identity``, ``students`` and ``teacher`` run while a plan is made and import no torch; ``loading``,
``encoding``, ``training``, ``training_state``, ``choosing``, ``decoders``, ``decoding``, ``growing_cache`` and ``models`` do,
and are imported inside the functions that need them.
"""
