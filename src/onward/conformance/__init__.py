"""What a log must do, as tests that anybody can run against their own: subclass `onward.conformance.log.LogSuite`."""

import contextlib

# So that a failing assertion of a suite shows its values, as one in a test file does.
with contextlib.suppress(ImportError):
    import pytest

    pytest.register_assert_rewrite(
        *(f"{__name__}.{part}" for part in ("case", "declaring", "leasing", "committing", "reading", "looking"))
    )
