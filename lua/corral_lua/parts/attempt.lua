-- attempt: the life of one assignment, from fence to outcome.

local function ended(r, ended_ms, outcome, error)
  return '{"number":' .. (r.attempt or '0') .. ',"worker":' .. cjson.encode(r.worker or '')
    .. ',"hub":"' .. (r.hub or '') .. '","session":"' .. (r.session or '') .. '","fence":"' .. (r.fence or '')
    .. '","started_ms":' .. (r.started or '0') .. ',"ended_ms":' .. ended_ms
    .. ',"outcome":"' .. outcome .. '","error":' .. (error ~= '' and error or 'null') .. '}'
end

-- The attempt that completed the run is not kept beside the others: the run says it all.
function attempt.completed(r)
  return ended(r, r.ended, 'completed', '')
end

-- What events say of who has been given a run; `more` is JSON members or nothing.
function attempt.given(fence, worker, hub, more)
  return '{"fence":"' .. fence .. '","worker":"' .. worker .. '","hub":"' .. hub .. '"' .. (more or '') .. '}'
end

local function versioned(u, r, s)
  -- Of what a worker holds, its pool may offer none any more.
  local version = fit.verdict(u, s.pool, r.class).version
  if version then unit.set_unusual(r, 'version', text(version), VERSION) end
end

-- An attempt of the session's worker begins.
function attempt.begin(u, r, s)
  versioned(u, r, s)
  unit.set(r, 'worker', s.worker)
  unit.set(r, 'hub', s.hub)
  unit.set_unusual(r, 'started', u.now_text, r.submitted)
  unit.set_unusual(r, 'attempt', text(tonumber(r.attempt or 0) + 1), ATTEMPT)
  if r.charged == '0' then unit.set(r, 'charged', '1') end
end

local OFFER_MS = 10000

-- Offers a run to a session that decides by itself; the offer takes room until it is
-- claimed, declined, or lapses in lease time.
local function offer(u, r, s)
  local fence = unit.next_fence(u)
  room.take(u, s, 0)
  unit.set(r, 'fence', fence)
  unit.set(r, 'session', s.id)
  versioned(u, r, s)
  unit.set_hand(u, keys.held(u, s.id), r.id, fence .. ' offered')
  call('ZADD', keys.due(u, 'offers'), text(unit.lease_time(u) + OFFER_MS), r.id)
  unit.count(u, 'offered')
  events.status(u, r, 'offered', attempt.given(fence, s.worker, s.hub))
  mail.send(u, s, r.id, fence, 'offer')
end

-- The session takes what it was offered: the attempt begins.
function attempt.claim(u, r, s)
  unit.set(s, 'offers', max(0, s.offers - 1))
  unit.set_hand(u, keys.held(u, s.id), r.id, r.fence .. ' running')
  call('ZREM', keys.due(u, 'offers'), r.id)
  if r.declined then call('DEL', keys.declined(u, r.id)) end
  attempt.begin(u, r, s)
  unit.count(u, 'assigned')
  events.status(u, r, 'running')
  attempt.watch(u, r)
  room.show(u, s)
end

local PARK_MS, PARK_MAX_MS = 1000, 30000

-- An offer came to nothing. Another session that has not declined the run is asked; when
-- there is none, the run is parked with a due time, so that it blocks no line and no
-- offer goes round for ever.
function attempt.declined(u, r, s, reason)
  attempt.unhold(u, s, r)
  call('SADD', keys.declined(u, r.id), s.id)
  unit.set(r, 'declined', '1')
  unit.set(r, 'session', '')
  unit.count(u, 'declined')
  local other = place.search(u, fit.class(u, r.class), '', r.id)
  if other and u.budget > 0 then
    u.budget = u.budget - 1
    attempt.assign(u, r, other)
    return
  end
  local declines = tonumber(r.declines or 0) + 1
  local due = text(u.now + min(PARK_MAX_MS, PARK_MS * 2 ^ (declines - 1)))
  unit.set(r, 'declines', declines)
  unit.set(r, 'due', due)
  call('ZADD', keys.due(u, 'delays'), due, r.id)
  events.status(u, r, 'parked', '{"reason":"declined","detail":' .. reason .. ',"due_ms":' .. due .. '}')
end

-- Gives a run to a session with a new fence. The caller has seen that there is room.
function attempt.assign(u, r, s)
  if fit.pool(u, s.pool).admission == 'reactive' then
    offer(u, r, s)
    return
  end
  local fence = unit.next_fence(u)
  -- What is taken is what `room.give` will give back: the run's own need, not its class's.
  local device = room.take(u, s, tonumber(r.vram or 0))
  unit.set(r, 'fence', fence)
  unit.set(r, 'session', s.id)
  attempt.begin(u, r, s)
  if device then unit.set(r, 'device', device - 1) end
  unit.count(u, 'assigned')
  events.status(u, r, 'running')
  attempt.watch(u, r)
  mail.assign(u, s, r.id, fence)
end

-- Keeps the earliest limit of the run in due:deadlines: its deadline, and the limit of
-- its wait or of its attempt. The limit of an attempt that has ended is none: put back, it
-- would be due at every tick.
function attempt.watch(u, r)
  if not (r.deadline or r.queue_wait or r.run_ms) then return end
  local due = tonumber(r.deadline or 0)
  local limit = 0
  if r.status ~= 'running' and r.attempt == nil and r.queue_wait then
    limit = tonumber(r.submitted) + tonumber(r.queue_wait)
  elseif r.status == 'running' and r.run_ms then
    limit = tonumber(r.started) + tonumber(r.run_ms)
  end
  if limit > 0 and (due == 0 or limit < due) then due = limit end
  if due > 0 then call('ZADD', keys.due(u, 'deadlines'), text(due), r.id) end
end

-- Takes a run from its session's hands: it has stopped, and its room comes back.
function attempt.unhold(u, s, r_or_id)
  local id = type(r_or_id) == 'table' and r_or_id.id or r_or_id
  local key = keys.held(u, s.id)
  local held = unit.hand(u, key, id)
  if not held then return false end
  unit.set_hand(u, key, id, false)
  mail.drop(u, s.id, id)
  local _, state = mail.in_hand(held)
  if state == 'stopping' then unit.set(s, 'stopping', max(0, s.stopping - 1)) end
  if state == 'offered' then
    unit.set(s, 'offers', max(0, s.offers - 1))
    call('ZREM', keys.due(u, 'offers'), id)
  end
  room.give(u, s, unit.run(u, id))
  return true
end

-- Makes a run terminal. `output` is JSON text of the result or of the error.
function attempt.finish(u, r, status, output, payload)
  if r.status == 'pending' then line.leave(u, r) end
  if r.status == 'delayed' or r.status == 'parked' then
    call('ZREM', keys.due(u, 'delays'), r.id)
  end
  if r.declined then call('DEL', keys.declined(u, r.id)) end
  if r.state then steps.finish(u, r, status) end
  if r.ring or r.listens then ring.finish(u, r) end
  if output ~= '' then unit.put(u, keys.output(u, r.id), output) end
  unit.set(r, 'ended', u.now_text)
  if r.deadline or r.queue_wait or r.run_ms then call('ZREM', keys.due(u, 'deadlines'), r.id) end
  unit.score(u, keys.due(u, 'retention'), text(u.now + tonumber(r.retention)), r.id)
  if status == 'failed' then unit.score(u, keys.at(u, 'runs:failed'), u.now_text, r.id) end
  unit.count(u, status)
  classes.refer(u, r.class, -1)
  events.status(u, r, status, payload)
end

-- Records the end of an attempt that the run survives, or not.
function attempt.record(u, r, outcome, error)
  call('RPUSH', keys.attempts(u, r.id), ended(r, u.now_text, outcome, error))
end

-- Sends a run back to its old place, uncharged: a lost lease, or work given back.
function attempt.back(u, r, reason)
  unit.set(r, 'session', '')
  events.status(u, r, 'pending', '{"reason":"' .. reason .. '"}')
  place.arrive(u, r)
end

-- Ends a run of which parts of the answer are out, when its submitter wants none a second
-- time: no further attempt follows. True when it did.
function attempt.given_up(u, r, how)
  if r.once ~= '2' then return false end
  unit.set(r, 'session', '')
  local error = '{"code":"WORKER_LOST","type":"WorkerLost","message":"' .. how
    .. ' after a part of the answer had been relayed, and no_retry_after_chunk is set","retryable":false}'
  attempt.finish(u, r, 'failed', error, '{"error":' .. error .. '}')
  return true
end

local RETURNS_AT_ONCE = 3

-- A worker has given the run back. The first times it joins its line at once; who keeps
-- giving back is slowed down, or the run's history would grow without a bound.
function attempt.returned(u, r)
  if attempt.given_up(u, r, 'the worker gave the run back') then return end
  local returns = tonumber(r.returns or 0) + 1
  unit.set(r, 'returns', returns)
  if returns <= RETURNS_AT_ONCE then
    attempt.back(u, r, 'given_back')
    return
  end
  local due = text(u.now + min(PARK_MAX_MS, PARK_MS * 2 ^ (returns - RETURNS_AT_ONCE - 1)))
  unit.set(r, 'session', '')
  unit.set(r, 'due', due)
  call('ZADD', keys.due(u, 'delays'), due, r.id)
  events.status(u, r, 'parked', '{"reason":"given_back","due_ms":' .. due .. '}')
end

-- Tells the session to stop the run; it keeps its room until it has.
function attempt.stop(u, s, r, reason)
  local held = unit.hand(u, keys.held(u, s.id), r.id)
  if not held then return end
  local fence, state = mail.in_hand(held)
  if state == 'offered' then
    unit.set(s, 'offers', max(0, s.offers - 1))
    call('ZREM', keys.due(u, 'offers'), r.id)
    room.show(u, s)
    call('SADD', keys.at(u, 'unserved'), s.id)
  end
  if state ~= 'stopping' then
    unit.set_hand(u, keys.held(u, s.id), r.id, fence .. ' stopping')
    unit.set(s, 'stopping', s.stopping + 1)
    r.reason = reason
    unit.set(r, 'reason', reason)
    mail.send(u, s, r.id, fence, 'stop')
  end
end

-- A lease was lost with the run in hand. Losses are counted apart from failures.
function attempt.lost(u, r, counted)
  attempt.record(u, r, 'lost', '')
  unit.count(u, 'lost')
  if counted then unit.set(r, 'lost', tonumber(r.lost or 0) + 1) end
  if attempt.given_up(u, r, 'the lease was lost') then return end
  if tonumber(r.lost or 0) >= tonumber(r.max_lost) then
    unit.set(r, 'session', '')
    local error = '{"code":"WORKER_LOST","type":"WorkerLost","message":"the lease was lost '
      .. r.lost .. ' times, as often as max_lost allows","retryable":false}'
    attempt.finish(u, r, 'failed', error, '{"error":' .. error .. '}')
  else
    attempt.back(u, r, 'lost')
  end
end
