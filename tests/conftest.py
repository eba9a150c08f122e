"""What holds for all tests."""

from hypothesis import settings

# A shared machine may be slow at any moment: a test fails by what it finds, not by its time.
settings.register_profile("onward", deadline=None)
settings.load_profile("onward")
