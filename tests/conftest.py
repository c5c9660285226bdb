"""Hypothesis profiles: `HYPOTHESIS_PROFILE=quick|default|deep`. All but `deep` repeat exactly."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", max_examples=15, deadline=None, derandomize=True)
settings.register_profile("default", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
