from scenarios.test_retention import *  # noqa: F403
