-- tick: all that happens by time alone.
-- Lost leases (in lease time), delays, deadlines, retention, and room that an earlier
-- call could not fill. A bounded part of each; called again at once while there is more.
-- KEYS  root
-- ARGV  hub, interval_ms
-- GIVES done | more | not_due; then how many of each: lost, woken, expired, trimmed
-- AGAIN within half the interval `not_due`, unless there is more to do

local PER_CALL = 200

-- At most PER_CALL sessions, and as many runs in all: many sessions may be lost at once.
local function expire_leases(u)
  if u.lease < u.settle then return 0, false end
  local due, done, left = keys.due(u, 'leases'), 0, PER_CALL
  for _, sid in ipairs(call('ZRANGE', due, '-inf', text(u.lease), 'BYSCORE', 'LIMIT', 0, PER_CALL)) do
    local s = unit.session(u, sid)
    if s then
      left = left - sessions.finish(u, s, sessions.live(s) and 'lost' or s.state, left)
    else
      call('ZREM', due, sid)
    end
    done = done + 1
    if u.budget <= 0 or left <= 0 then break end
  end
  return done, left <= 0 or done >= PER_CALL
end

local function wake_delayed(u)
  local due, done = keys.due(u, 'delays'), 0
  for _, id in ipairs(call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, PER_CALL)) do
    call('ZREM', due, id)
    local r = unit.run(u, id)
    if r and (r.status == 'delayed' or r.status == 'parked') then
      call('DEL', keys.declined(u, id))
      unit.set(r, 'place', text(line.new_place(u, tonumber(r.priority))))
      unit.set(r, 'due', '0')
      events.status(u, r, 'pending', '{"reason":"due"}')
      place.arrive(u, r)
    end
    done = done + 1
  end
  return done
end

-- Offers lapse in lease time, as an answer may be on its way through a hub that moves.
local function lapse_offers(u)
  if u.lease < u.settle then return 0 end
  local due, done = keys.due(u, 'offers'), 0
  for _, id in ipairs(call('ZRANGE', due, '-inf', text(u.lease), 'BYSCORE', 'LIMIT', 0, PER_CALL)) do
    call('ZREM', due, id)
    local r = unit.run(u, id)
    local s = r and r.status == 'offered' and unit.session(u, r.session)
    if s then
      attempt.declined(u, r, s, '"the offer was not answered in time"')
      line.serve(u, s)
    end
    done = done + 1
  end
  return done
end

local function miss(u, r, code, message, reason)
  local error = '{"code":"' .. code .. '","type":"' .. code .. '","message":"' .. message
    .. '","retryable":false}'
  local placed = r.status == 'running' or r.status == 'offered'
  local s = placed and r.session and unit.session(u, r.session)
  if s then
    if r.status == 'running' then attempt.record(u, r, 'timed_out', error) end
    attempt.stop(u, s, r, reason)
  end
  attempt.finish(u, r, 'failed', error, '{"error":' .. error .. '}')
end

-- The entry of a run in due:deadlines may be of an earlier state; what it stands for is
-- worked out again here, and it is put back when nothing is missed yet.
local function expire_deadlines(u)
  local due, done = keys.due(u, 'deadlines'), 0
  for _, id in ipairs(call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, PER_CALL)) do
    call('ZREM', due, id)
    local r = unit.run(u, id)
    if r and not r.ended then
      if r.deadline and tonumber(r.deadline) <= u.now then
        miss(u, r, 'DEADLINE_EXCEEDED', 'the deadline passed before the run ended', 'deadline')
      elseif r.status ~= 'running' and not r.attempt and r.queue_wait
        and tonumber(r.submitted) + tonumber(r.queue_wait) <= u.now then
        miss(u, r, 'QUEUE_WAIT_EXCEEDED', 'no worker took the run within max_queue_wait_ms', 'queue_wait')
      elseif r.status == 'running' and r.run_ms
        and tonumber(r.started) + tonumber(r.run_ms) <= u.now then
        miss(u, r, 'RUN_TIME_EXCEEDED', 'the attempt ran longer than max_run_ms', 'run_time')
      else
        attempt.watch(u, r)
      end
    end
    done = done + 1
  end
  return done
end

local function serve_left_over(u)
  if u.now < u.hold then return false end
  local key = keys.at(u, 'unserved')
  if u.sweep then
    for _, sid in ipairs(call('ZRANGE', keys.due(u, 'leases'), 0, -1)) do call('SADD', key, sid) end
    u.sweep = false
    u.meta.sweep = '0'
  end
  for _, sid in ipairs(call('SMEMBERS', key)) do
    if u.budget <= 0 then return true end
    call('SREM', key, sid)
    local s = unit.session(u, sid)
    if s and sessions.live(s) then line.serve(u, s) end
  end
  return call('EXISTS', key) == 1
end

-- Near the memory limit submits and events are refused before the server refuses them.
local function mark_full(u)
  local info = call('INFO', 'memory')
  local used = tonumber(string.match(info, 'used_memory:(%d+)'))
  local hard = tonumber(string.match(info, 'maxmemory:(%d+)'))
  local soft = u.soft_bytes > 0 and u.soft_bytes or floor(hard * 0.9)
  u.meta.full = (soft > 0 and used > soft) and '1' or '0'
end

function transitions.tick(u, argv)
  unit.lease_time(u)
  local last = tonumber(call('HGET', keys.at(u, 'meta'), 'ticked') or '0')
  if u.now - last < tonumber(argv[2]) / 2 then return { 'not_due', '0', '0', '0', '0' } end
  local lost, losing = expire_leases(u)
  local woken = wake_delayed(u)
  local expired = lapse_offers(u) + expire_deadlines(u) + questions.lapse(u, PER_CALL)
  local trimmed = retention.trim(u, PER_CALL) + retention.bury(u, PER_CALL) + ring.expire(u, PER_CALL)
  local ended = classes.expire(u, PER_CALL)
  retention.forget_kinds(u, PER_CALL)
  local left = serve_left_over(u)
  local more = left or u.budget <= 0 or losing or woken >= PER_CALL
    or expired >= PER_CALL or trimmed >= PER_CALL or ended >= PER_CALL
  mark_full(u)
  u.meta.ticked = more and '0' or text(u.now)
  return { more and 'more' or 'done', text(lost), text(woken), text(expired), text(trimmed) }
end
