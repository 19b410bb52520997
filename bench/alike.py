"""What Corral and every peer are given alike, so that none is ahead by its settings.

Needs nothing, as peers read it in their own environments.
"""

# Runs that a worker has in hand at once, wherever that can be said; README.md has why so many.
ROOM = 256
# Submits on their way at once, where runs are submitted one by one.
CALLERS = 64
# Runs in a call, where many are submitted by one.
BATCH = 200
# Runs before the watch is started, so that connections stand and code is loaded.
WARM = 200
# What each run carries.
TEXT = "x" * 100
