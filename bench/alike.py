"""What Corral and every peer are given: alike where it can be, and where one number does not suit
all, to each the one that it was fastest with.

Needs nothing, as peers read it in their own environments.
"""

# Runs that a worker has in hand at once, wherever that can be said; README.md has why so many.
ROOM = {"corral": 1024, "saq": 256, "taskiq": 256, "bullmq": 256}
# Submits on their way at once, where runs are submitted one by one.
CALLERS = 64
# Runs in a call, where many are submitted by one, and such calls on their way at once.
BATCH = {"corral": 1000, "bullmq": 200}
BATCHES = {"corral": 1, "bullmq": 2}
# Runs before the watch is started, so that connections stand and code is loaded.
WARM = 200
# What each run carries.
TEXT = "x" * 100
