-- retention: the end of what nobody needs any more. No key has a native TTL, since a
-- promoted replica's clock would drop it.

local HANDLED_MS = 60000

-- True while a worker still has an ended run in hand: until it has stopped, its record says
-- what it must be told, and how much memory comes back.
local function handled(u, id)
  local sid = call('HGET', keys.run(u, id), 'session')
  return sid and sid ~= '' and unit.hand(u, keys.held(u, sid), id)
end

local function remove(u, id)
  local idem = call('HGET', keys.run(u, id), 'idem')
  if idem then call('DEL', keys.idem(u, idem)) end
  call('DEL', keys.run(u, id), keys.job(u, id), keys.output(u, id), keys.events(u, id),
    keys.attempts(u, id), keys.inputs(u, id), keys.checkpoint(u, id), keys.steps(u, id),
    keys.ring(u, id), keys.listens(u, id))
  call('ZREM', keys.at(u, 'runs'), id)
  call('ZREM', keys.at(u, 'runs:failed'), id)
  call('ZREM', keys.due(u, 'retention'), id)
  call('ZREM', keys.due(u, 'rings'), id)
  local r = u.runs[id]
  if r then r.gone = true end
end

-- Removes up to `limit` runs whose time has come; gives how many it looked at.
function retention.trim(u, limit)
  local due = keys.due(u, 'retention')
  local ids = call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    if handled(u, id) then
      call('ZADD', due, text(u.now + HANDLED_MS), id)
    else
      remove(u, id)
    end
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

local KINDS_KEPT = 1024

-- Kinds without work stay listed, with a zero, so that who scales workers sees them. Beyond
-- KINDS_KEPT those that nothing waits, runs or is offered for end; each call looks at
-- another part of them.
function retention.forget_kinds(u, limit)
  local listed = keys.at(u, 'kinds')
  local over = call('ZCARD', listed) - KINDS_KEPT
  if over <= 0 then return end
  local idle = call('ZCOUNT', listed, 0, 0)
  local start = tonumber(call('HGET', keys.at(u, 'meta'), 'kinds_at') or '0')
  if start >= idle then start = 0 end
  local kept = 0
  for _, kind in ipairs(call('ZRANGE', listed, 0, 0, 'BYSCORE', 'LIMIT', start, limit)) do
    if over <= 0 then break end
    if call('EXISTS', keys.classes(u, kind), keys.pools(u, kind)) == 0 and not u.queue[kind] then
      call('ZREM', listed, kind)
      call('DEL', keys.clocks(u, kind), keys.queue(u, kind), keys.wfq(u, kind))
      for band = 0, BANDS - 1 do call('DEL', keys.vt(u, kind, band)) end
      over = over - 1
    else
      kept = kept + 1
    end
  end
  u.meta.kinds_at = text(start + kept)
end
