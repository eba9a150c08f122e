SELECT name, until, says, wants FROM onward.worker
