"""What holds for every test."""

from hypothesis import settings

# The same examples in every run, and no timing of them: a test fails because of the code, not because of the machine.
settings.register_profile("trimtab", derandomize=True, deadline=None)
settings.load_profile("trimtab")
