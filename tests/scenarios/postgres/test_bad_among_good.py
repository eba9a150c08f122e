from scenarios.test_bad_among_good import *  # noqa: F403
