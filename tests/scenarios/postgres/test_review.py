from scenarios.test_review import *  # noqa: F403
