-- sessions: the beginning, the return and the end of a session.

local TOMBSTONE_MS = 3600000

-- Ends a session: its work is released, and a tombstone says why for an hour, so that
-- the same id cannot come back to life. Releases a bounded number of runs per call, and
-- gives how many; what is left goes with the next tick.
function sessions.finish(u, s, why, limit)
  if s.state == 'open' or s.state == 'cut' then
    local counted = (why == 'lost' and tonumber(call('ZSCORE', keys.at(u, 'hubs'), s.hub) or 0) > u.now)
      and '1' or '0'
    unit.set(s, 'counted', counted)
    room.hide(u, s)
    unit.set(s, 'state', why)
    for model in gmatch(s.models or '', '[^,]+') do
      call('ZREM', keys.warm(u, s.pool, model), s.id)
    end
    call('SREM', keys.at(u, 'unserved'), s.id)
    if call('GET', keys.worker(u, s.worker)) == s.id then call('DEL', keys.worker(u, s.worker)) end
    if s.hub ~= '' then mail.wake(u, s, '') end
  end
  local released = 0
  for run, value in pairs(unit.whole_hand(u, keys.held(u, s.id))) do
    if released >= limit then
      call('ZADD', keys.due(u, 'leases'), text(u.lease), s.id)
      return released
    end
    released = released + 1
    unit.set_hand(u, keys.held(u, s.id), run, false)
    local fence, state = mail.in_hand(value)
    local r = unit.run(u, run)
    if r and state == 'offered' and r.fence == fence and r.status == 'offered' then
      call('ZREM', keys.due(u, 'offers'), run)
      attempt.back(u, r, 'offer_lapsed')
    elseif r and state == 'running' and r.session == s.id and r.fence == fence and r.status == 'running' then
      if why == 'goodbye' then
        attempt.record(u, r, 'given_back', '')
        if not attempt.given_up(u, r, 'the worker ended') then attempt.back(u, r, 'given_back') end
      else
        attempt.lost(u, r, s.counted == '1')
      end
    end
  end
  unit.drop_hand(u, keys.held(u, s.id))
  unit.drop_hand(u, keys.mail(u, s.id))
  call('ZREM', keys.due(u, 'leases'), s.id)
  call('ZREM', keys.at(u, 'sessions'), s.id)
  classes.leave(u, s.pool, s.id)
  unit.set(s, 'in_flight', 0)
  unit.set(s, 'stopping', 0)
  unit.set(s, 'offers', 0)
  call('ZADD', keys.due(u, 'tombstones'), text(u.now + TOMBSTONE_MS), s.id)
  return released
end

function sessions.live(s)
  return s and (s.state == 'open' or s.state == 'cut')
end

-- The verdict on a call that names a session and its stream.
function sessions.verdict(s, stream)
  if not s then return 'gone' end
  if s.state == 'superseded' then return 'superseded' end
  if not sessions.live(s) then return 'gone' end
  if stream ~= s.stream then return 'moved' end
  return 'ok'
end

-- What becomes of the runs that a worker says it holds, and of those it does not name.
-- `claims` is run -> { fence, stopping }. Gives run, fence, keep|stop in threes.
function sessions.reconcile(u, s, claims)
  local verdicts = {}
  local held = unit.whole_hand(u, keys.held(u, s.id))
  for run, claim in pairs(claims) do
    local fence, keep = claim[1], false
    local r, mine = unit.run(u, run), held[run]
    if mine and r and sessions.newer(r, fence) then
      attempt.unhold(u, s, run)
      held[run], mine = nil, nil
    end
    if mine then
      local own, state = mail.in_hand(mine)
      if own == fence and state == 'offered' and r and r.status == 'offered' then
        attempt.claim(u, r, s)
        held[run], state = fence .. ' running', 'running'
      end
      keep = own == fence and state == 'running' and r and r.status == 'running'
      if keep then mail.resume(u, s, run, fence) end
    elseif r and sessions.newer(r, fence) then
      keep = true
      sessions.adopt(u, s, r, fence)
    end
    verdicts[#verdicts + 1] = run
    verdicts[#verdicts + 1] = fence
    verdicts[#verdicts + 1] = keep and 'keep' or 'stop'
  end
  for run, value in pairs(held) do
    local fence, state = mail.in_hand(value)
    local claim = claims[run]
    if state == 'stopping' and not (claim and claim[1] == fence) then
      attempt.unhold(u, s, run)
    elseif state == 'running' and not (claim and claim[1] == fence) then
      mail.assign(u, s, run, fence)
    elseif state == 'offered' then
      mail.send(u, s, run, fence, 'offer')
    elseif state == 'stopping' then
      mail.send(u, s, run, fence, 'stop')
    end
  end
  return verdicts
end

-- True when the worker knows of a later assignment than the store: the store lost its
-- last writes. Fences are text of up to 16 digits, exact as doubles.
function sessions.newer(r, fence)
  return r.status ~= 'completed' and r.status ~= 'failed' and r.status ~= 'cancelled'
    and tonumber(fence) > tonumber(r.fence or 0)
end

function sessions.adopt(u, s, r, fence)
  events.keep(u, r)
  if r.status == 'pending' then line.leave(u, r) end
  if r.status == 'delayed' or r.status == 'parked' then
    call('ZREM', keys.due(u, 'delays'), r.id)
  end
  if r.awaits then call('HDEL', keys.run(u, r.id), 'awaits') end
  local before = r.session and r.session ~= '' and unit.session(u, r.session)
  if before and before.id ~= s.id and attempt.unhold(u, before, r) then
    call('SADD', keys.at(u, 'unserved'), before.id)
  end
  u.fence = max(u.fence, tonumber(fence))
  unit.set(r, 'fence', fence)
  unit.set(r, 'session', s.id)
  attempt.begin(u, r, s)
  unit.set_hand(u, keys.held(u, s.id), r.id, fence .. ' running')
  room.adopt(u, s, r)
  unit.count(u, 'adopted')
  events.status(u, r, 'running', attempt.given(fence, s.worker, s.hub, ',"adopted":true'))
  attempt.watch(u, r)
end
