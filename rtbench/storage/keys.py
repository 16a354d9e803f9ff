"""Content keys: identical work has the same key on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from rtbench.schema.steps import VERSIONS, CompleteSpec, CurateSpec, Input, LikelihoodSpec, Spec, TrainSpec, kind_of

_ENCODER = msgspec.json.Encoder(order="sorted")


def content_key(*parts: Any) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of the parts in canonical JSON (keys sorted, records as objects)."""
    data = msgspec.json.encode(parts, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:32]


def derived_seed(*parts: Any) -> int:
    """Return a seed below 2**63 that depends only on the parts."""
    data = msgspec.json.encode(parts, order="deterministic")
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 1


def step_key(spec: Spec, inputs: Iterable[Input]) -> str:
    """Return the hash of a step's kind, spec, implementation version and its inputs' keys.

    Of a model, only the fingerprint is hashed; for a train step, also the version of its training procedure.
    """
    kind = kind_of(spec)
    counted: Any = spec
    if isinstance(spec, CompleteSpec | LikelihoodSpec):
        counted = msgspec.structs.replace(spec, model=spec.model.fingerprint)
    elif isinstance(spec, TrainSpec):
        trained = spec.model.fingerprint
        if spec.model.training != 1:
            trained += f"+training-{spec.model.training}"
        guide: Any = None if spec.guide is None else spec.guide.fingerprint
        counted = msgspec.structs.replace(spec, model=trained, guide=guide)
    elif isinstance(spec, CurateSpec) and spec.judges:
        counted = msgspec.structs.replace(spec, judges={})
    # This is `content_key("step", kind, version, counted, inputs)`, written out because plans have hundreds of thousands
    # of steps: structs are encoded directly, with sorted fields, and roles and keys need no escaping.
    used = ",".join([f'["{i.role}","{i.key}"]' for i in inputs])
    head, tail = f'["step","{kind}",{VERSIONS[kind]},', f",[{used}]]"
    return hashlib.sha256(head.encode() + _ENCODER.encode(counted) + tail.encode()).hexdigest()[:32]
