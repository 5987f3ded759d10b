"""How many examples a property gets: what HYPOTHESIS_PROFILE says. Usually 150; of section 8, whole cases of every feature, 200 (decision 0124)."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "usual")
"""long takes the time it takes."""
EXAMPLES: Final = {"usual": 150, "long": 20_000, "quick": 40}[PROFILE]
CALM: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
settings.register_profile("contracts", max_examples=EXAMPLES, deadline=None, suppress_health_check=CALM, print_blob=True)
settings.load_profile("contracts")

thoroughly = settings(max_examples=200 if PROFILE == "usual" else EXAMPLES)
