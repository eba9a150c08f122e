UPDATE onward.progress SET stage = %(name)s || substr(stage, length(%(was)s) + 1)
WHERE stage = %(was)s OR starts_with(stage, %(was)s || '~')
