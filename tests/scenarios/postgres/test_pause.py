from scenarios.test_pause import *  # noqa: F403
