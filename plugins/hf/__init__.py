"""Students and teachers that use transformers.

``options``, ``identity``, ``students`` and ``teacher`` run during planning and import no torch. ``loading``, ``encoding``,
``training``, ``training_state``, ``choosing``, ``decoders``, ``decoding``, ``growing_cache`` and ``models`` import it, so they
are imported inside the functions that need them.
"""
