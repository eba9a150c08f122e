"""What holds for all tests."""

from hypothesis import settings

from s3 import s3, s3_server

__all__ = ["s3", "s3_server"]

# A shared machine may be slow at any moment: a test fails by what it finds, not by its time.
settings.register_profile("onward", deadline=None)
settings.load_profile("onward")
