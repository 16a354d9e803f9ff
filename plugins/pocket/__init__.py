"""The pocket base models: their pre-training text, tokenizer, training and skill probes, and the students based on them.

``corpus`` and ``primitives`` import no torch; ``pretraining`` and ``probes`` do.
"""
