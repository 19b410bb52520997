-- open_session: the first Hello of a process.
-- KEYS  root
-- ARGV  hub, session, connection, worker, instance, principal, pool, pool_json, lease_ms,
--       silent_ms, models, sdk, max_sessions, held...   each: run, fence
-- GIVES ok | in_use | ended | not_yours | limit; then the stream, 1 for a resumed
--       session, and run, fence, keep|stop for each held run
-- AGAIN the same connection gets the same stream number; a later connection of a session
--       that is known is a resume

function transitions.open_session(u, argv)
  return opening.open(u, argv, true)
end
