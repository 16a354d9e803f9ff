"""Twins from which the pre-training text and the vocabulary take sentences.

They are those of the twelve tasks and no others, even if other twins are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtbench_tasks.addsub.twin import AddsubTwin
from rtbench_tasks.aqua.twin import AquaTwin
from rtbench_tasks.coin_flip.twin import CoinFlipTwin
from rtbench_tasks.commonsense_qa.twin import CommonsenseTwin
from rtbench_tasks.date_understanding.twin import DateTwin
from rtbench_tasks.gsm8k.twin import Gsm8kTwin
from rtbench_tasks.last_letter_concatenation.twin import LastLetterTwin
from rtbench_tasks.multiarith.twin import MultiarithTwin
from rtbench_tasks.single_eq.twin import SingleEqTwin
from rtbench_tasks.strategy_qa.twin import StrategyTwin
from rtbench_tasks.svamp.twin import SvampTwin
from rtbench_tasks.tracking_shuffled_objects.twin import TrackingTwin

from rtbench.twins import Twin

TWINS: Mapping[str, Twin[Any]] = {
    "addsub": AddsubTwin(),
    "aqua": AquaTwin(),
    "coin_flip": CoinFlipTwin(),
    "commonsense_qa": CommonsenseTwin(),
    "date_understanding": DateTwin(),
    "gsm8k": Gsm8kTwin(),
    "last_letter_concatenation": LastLetterTwin(),
    "multiarith": MultiarithTwin(),
    "single_eq": SingleEqTwin(),
    "strategy_qa": StrategyTwin(),
    "svamp": SvampTwin(),
    "tracking_shuffled_objects": TrackingTwin(),
}
"""Twins by task. Their order affects which twin a document draws."""
WORLDLY = ("commonsense_qa", "strategy_qa")
"""Twins of the small world."""
