RELEASE SAVEPOINT onward_call; SAVEPOINT onward_call
