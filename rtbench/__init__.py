"""rtbench: which teacher × method × student gives the best small reasoner, and at what price?"""

__version__ = "0.1.0"
