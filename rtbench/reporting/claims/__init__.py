"""Tests of claims on a finished run: which cells a claim compares, and what their answers say.

``evidence`` finds the cells and pairs them by question. ``contract`` is what a claim is. ``evaluation`` computes the results
(:mod:`rtbench.schema.claims`). Claims themselves come from plugins, in sets.
"""
