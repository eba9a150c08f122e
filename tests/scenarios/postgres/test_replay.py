from scenarios.test_replay import *  # noqa: F403
