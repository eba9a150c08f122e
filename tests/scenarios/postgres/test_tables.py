from scenarios.test_tables import *  # noqa: F403
