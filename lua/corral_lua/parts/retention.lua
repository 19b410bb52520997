-- retention: the end of what nobody needs any more. No key has a native TTL, since a
-- promoted replica's clock would drop it.

-- Removes up to `limit` runs whose time has come; gives how many.
function retention.trim(u, limit)
  local due = keys.due(u, 'retention')
  local ids = call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local idem = call('HGET', keys.run(u, id), 'idem')
    if idem then call('DEL', keys.idem(u, idem)) end
    call('DEL', keys.run(u, id), keys.job(u, id), keys.output(u, id), keys.events(u, id),
      keys.attempts(u, id))
    call('ZREM', keys.at(u, 'runs'), id)
    call('ZREM', keys.at(u, 'runs:failed'), id)
    call('ZREM', due, id)
    local r = u.runs[id]
    if r then r.gone = true end
  end
  return #ids
end

-- Removes what is left of sessions that ended long ago.
function retention.bury(u, limit)
  local due = keys.due(u, 'tombstones')
  local ids = call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, limit)
  for _, sid in ipairs(ids) do
    call('DEL', keys.session(u, sid))
    call('ZREM', due, sid)
    local s = u.sessions[sid]
    if s then s.gone = true end
  end
  return #ids
end
