"""The paper's claims as a set for ``rtbench claims``.

``comparisons`` says which cells each claim compares, ``figures`` has the paper's own figures. See docs/claims.md.
"""
