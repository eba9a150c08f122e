from scenarios.test_failing_key import *  # noqa: F403
