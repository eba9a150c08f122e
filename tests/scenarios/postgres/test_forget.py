from scenarios.test_forget import *  # noqa: F403
