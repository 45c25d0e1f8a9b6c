"""What holds for every test."""

from hypothesis import HealthCheck, settings

# The same examples in every run, and no timing of them: a test fails because of the code, not because of the machine.
settings.register_profile("trimtab", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("trimtab")
