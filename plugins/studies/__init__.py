"""Later studies of distilled reasoning as matrices and claims; docs/studies.md lists them.

Each study has a set of claims and two matrices: with pocket students and scripted teachers, and with models of the hub on
published questions.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import ClaimSet, Register

STUDIES = {
    "samples": "how many rationales per question, and which are kept",
    "repetition": "few questions often or many seldom, at equal updates",
    "granularity": "six levels of detail of the rationales",
    "mentor": "a fine-tuned student as a second teacher",
    "mix": "short and long rationales in five ratios",
    "weak-teacher": "many rationales of a cheap teacher or few of an expensive one",
    "transfer": "what training on one task does to others, and on several together",
    "on-policy": "texts, probabilities, own texts or rewards",
}
_HERE = Path(__file__).parent


def matrix_path(name: str) -> Path:
    """Return the file of a study's matrix."""
    return _HERE / "matrices" / f"{name}.yaml"


def claims_of(study: str) -> ClaimSet:
    """Return the claims of a study."""
    from rtbench_plugins.claims.files import read_claims

    return read_claims(_HERE / "claims" / f"study-{study}.yaml")


@hookimpl
def rtbench_register_matrices(register: Register) -> None:
    for study, summary in STUDIES.items():
        for name, needs in (
            (f"pocket-study-{study}", "pocket students"),
            (f"study-{study}", "published questions, Qwen3-0.6B; needs GPUs, hub weights"),
        ):
            register(name, partial(matrix_path, name), summary=f"{summary} ({needs})")


@hookimpl
def rtbench_register_claims(register: Register) -> None:
    for study, summary in STUDIES.items():
        register(f"study-{study}", partial(claims_of, study), summary=summary)
