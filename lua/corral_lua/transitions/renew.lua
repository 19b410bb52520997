-- renew: leases of the sessions that showed life, and of the hub that calls.
-- KEYS  root
-- ARGV  hub, hub_ttl_ms, sessions...   each: session, stream
-- GIVES per session: ok | moved | gone | superseded; then the number of sessions
--       and the live hubs
-- AGAIN renews again

local DEAD_MS = 60000

function transitions.renew(u, argv)
  local verdicts = {}
  unit.lease_time(u)
  local hubs = keys.at(u, 'hubs')
  call('ZADD', hubs, text(u.now + tonumber(argv[2])), argv[1])
  -- A hub that is long dead will fetch no mail; its sessions' new hubs read it from them.
  for _, dead in ipairs(call('ZRANGE', hubs, '-inf', text(u.now - DEAD_MS), 'BYSCORE')) do
    call('ZREM', hubs, dead)
    call('DEL', keys.news(u, dead))
  end
  for i = 3, #argv, 2 do
    local s = unit.session(u, argv[i])
    local verdict = sessions.verdict(s, argv[i + 1])
    if verdict == 'ok' then
      -- One that is cut has its grace, and only a Hello opens it again: a renewal that was
      -- overtaken by the end of its stream would give work to nobody.
      if s.state == 'open' then
        call('ZADD', keys.due(u, 'leases'), text(u.lease + tonumber(s.lease_ms)), s.id)
      end
    end
    verdicts[#verdicts + 1] = verdict
  end
  local live = call('ZRANGE', hubs, text(u.now), '+inf', 'BYSCORE')
  return verdicts, { text(call('ZCARD', keys.due(u, 'leases'))), live }
end
