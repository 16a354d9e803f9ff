"""The pocket base models: their pre-training text, tokenizer, training, skill probes, and the students made of them.

``corpus`` and ``primitives`` import no torch; ``pretraining`` and ``probes`` do.
"""
