-- repair: builds what can be told from runs and sessions again. While it goes on, nothing
-- else changes the namespace, so that counts which take many calls are true in the end; a
-- repair that goes no further lets go after FREEZE_MS. See also `pruning` and `relining`.

local FREEZE_MS = 10000
local TOMBSTONE_MS, OFFER_MS, RING_MS = 3600000, 10000, 15000

-- The token of the repair that goes on, or nil.
function repair.holder(u)
  if not u.repair then return nil end
  local till, token = split2(u.repair)
  return tonumber(till) > u.now and token or nil
end

function repair.freeze(u, token)
  u.meta.repair = text(u.now + FREEZE_MS) .. ' ' .. token
  -- Nobody is given work by a step; the first tick after the last one gives it out.
  u.hold = math.huge
  u.meta.sweep = '1'
end

function repair.finish(u)
  local paused = call('SCARD', keys.at(u, 'paused'))
  u.meta.repair, u.meta.paused = nil, text(paused)
  call('HDEL', keys.at(u, 'meta'), 'repair')
end

-- When the question was asked, as the event of it says.
local function asked_at(u, r, request)
  for _, json in ipairs(call('LRANGE', keys.events(u, r.id), 0, -1)) do
    if find(json, '"type":"input.request"', 1, true) then
      local event = decode(json)
      if event.payload.request_id == request then return event.time_ms end
    end
  end
  return u.now
end

local function ask(u, r)
  local key = keys.inputs(u, r.id)
  for _, request in ipairs(call('HKEYS', key)) do
    if not find(request, ' ', 1, true) and questions.standing(u, r.id, request) == 'open' then
      local entry = r.id .. ' ' .. request
      local asked = call('ZSCORE', keys.at(u, 'questions'), entry) or asked_at(u, r, request)
      local timeout = decode(call('HGET', key, request)).timeout_ms
      call('ZADD', keys.at(u, 'questions'), asked, entry)
      if timeout then call('ZADD', keys.due(u, 'questions'), 'NX', text(asked + timeout), entry) end
    end
  end
end

-- The run has a session: it is in that session's hands, or it goes back where it was.
local function placed(u, r)
  local s = r.session and r.session ~= '' and unit.session(u, r.session)
  if s and sessions.live(s) then
    local key = keys.held(u, s.id)
    local fence, state = mail.in_hand(unit.hand(u, key, r.id) or ' ')
    if fence ~= r.fence or state ~= r.status then unit.set_hand(u, key, r.id, r.fence .. ' ' .. r.status) end
    if r.status == 'offered' then
      call('ZADD', keys.due(u, 'offers'), 'NX', text(unit.lease_time(u) + OFFER_MS), r.id)
    end
  elseif r.status == 'offered' then
    attempt.back(u, r, 'offer_lapsed')
  else
    attempt.lost(u, r, false)
  end
end

local function live(u, r)
  if r.status == 'running' or r.status == 'offered' then
    placed(u, r)
  elseif r.status == 'pending' then
    call('ZADD', keys.flow(u, r.class, r.band, r.flow), r.place, r.id)
  elseif r.awaits then
    local standing = questions.standing(u, r.id, r.awaits)
    if standing ~= 'open' then
      call('HDEL', keys.run(u, r.id), 'awaits')
      attempt.back(u, r, standing or 'given_back')
    end
  else
    call('ZADD', keys.due(u, 'delays'), 'NX', r.due or u.now_text, r.id)
  end
  if r.state and not r.ended then ask(u, r) end
  if not r.ended then attempt.watch(u, r) end
end

local function ended(u, r)
  local due = text(tonumber(r.ended) + tonumber(r.retention))
  call('ZADD', keys.due(u, 'retention'), 'NX', due, r.id)
  if r.status == 'failed' then call('ZADD', keys.at(u, 'runs:failed'), r.ended, r.id) end
  if r.ring then call('ZADD', keys.due(u, 'rings'), 'NX', text(u.now + RING_MS), r.id) end
  call('DEL', keys.listens(u, r.id))
end

-- The bytes of what is kept of a streamed answer, as the run counts them.
local function recount_ring(u, r)
  local bytes = 0
  for _, json in ipairs(call('LRANGE', keys.ring(u, r.id), 0, -1)) do bytes = bytes + #json end
  local counted = sub(r.ring, 1, find(r.ring, ' %d+$')) .. text(bytes)
  if counted ~= r.ring then unit.set(r, 'ring', counted) end
end

-- Runs by id. Gives how many are completed, failed, cancelled and live, and for each class
-- its kind, its live runs and one of them.
function repair.runs(u, items)
  local counts, found = { completed = 0, failed = 0, cancelled = 0, live = 0 }, {}
  for _, item in ipairs(items) do
    local r = unit.run(u, item[1])
    if r then
      unit.score(u, keys.at(u, 'runs'), r.submitted, r.id)
      u.fence = max(u.fence, tonumber(r.fence or 0))
      local ahead = (tonumber(r.priority) % PRIORITIES_PER_BAND) * PLACES_PER_PRIORITY
      u.place = max(u.place, tonumber(r.place) - ahead)
      if r.idem and call('EXISTS', keys.idem(u, r.idem)) == 0 then
        unit.put(u, keys.idem(u, r.idem), r.id .. ' v1:' .. r.request)
      end
      if not r.ended then live(u, r) end
      if r.ring then recount_ring(u, r) end
      if r.ended then
        ended(u, r)
        counts[r.status] = counts[r.status] + 1
      else
        local class = found[r.class] or { r.class, r.kind, 0, r.id }
        class[3], found[r.class] = class[3] + 1, class
        counts.live = counts.live + 1
      end
    end
  end
  local out = {}
  for _, class in pairs(found) do out[#out + 1] = { class[1], class[2], text(class[3]), class[4] } end
  return { text(counts.completed), text(counts.failed), text(counts.cancelled), text(counts.live) }, out
end

local WORDS = { running = 'run', offered = 'offer', stopping = 'stop' }

-- What the session holds, counted afresh. A worker is told again what it may not have heard,
-- and to stop what is not its own any more.
local function hands(u, s)
  local held_key, mail_key = keys.held(u, s.id), keys.mail(u, s.id)
  local held, told = unit.whole_hand(u, held_key), unit.whole_hand(u, mail_key)
  local counts, used = { running = 0, offered = 0, stopping = 0 }, {}
  for run, value in pairs(held) do
    local fence, state = mail.in_hand(value)
    local r = unit.run(u, run)
    if not r then
      -- Nobody can say what it was.
      unit.set_hand(u, held_key, run, false)
    else
      local own = r.status == state and r.session == s.id and r.fence == fence
      if state ~= 'stopping' and not own then
        state = 'stopping'
        unit.set_hand(u, held_key, run, fence .. ' stopping')
        told[run] = nil
      end
      counts[state] = counts[state] + 1
      if r.device then
        local device = tonumber(r.device) + 1
        used[device] = (used[device] or 0) + tonumber(r.vram or 0)
      end
      if not told[run] or split2(told[run]) ~= fence then mail.send(u, s, run, fence, WORDS[state]) end
    end
  end
  for run in pairs(told) do
    if run ~= '*' and not held[run] then unit.set_hand(u, mail_key, run, false) end
  end
  local counted = {
    in_flight = counts.running + counts.offered + counts.stopping,
    stopping = counts.stopping, offers = counts.offered,
  }
  for name, n in pairs(counted) do
    if s[name] ~= n then unit.set(s, name, n) end
  end
  return used
end

-- What is in use on the session's devices, and whether it holds more than it takes.
local function measure(u, s, used)
  local pool = fit.pool(u, s.pool)
  local over = pool.admission == 'fixed' and s.in_flight > pool.max
  for i, mb in ipairs(pool.devices or {}) do
    used[i] = used[i] or 0
    over = over or used[i] > mb
  end
  local vram = concat(used, ',')
  if pool.admission == 'vram' and (s.vram or '') ~= vram then unit.set(s, 'vram', vram) end
  if over and not s.over then unit.set(s, 'over', s.in_flight) end
end

-- What the session declared is lost. Its hub is told that the session has moved on, so that
-- its worker says Hello, and with it what it offers.
local function greet_again(u, s)
  unit.set(s, 'stream', text(tonumber(s.stream) + 1))
  unit.set(s, 'connection', '')
  unit.set(s, 'state', 'cut')
  unit.set(s, 'pool', '')
end

local function over(u, s)
  call('ZREM', keys.at(u, 'sessions'), s.id)
  if call('GET', keys.worker(u, s.worker)) == s.id then call('DEL', keys.worker(u, s.worker)) end
  if call('EXISTS', keys.held(u, s.id)) == 1 then
    -- The tick releases it.
    call('ZADD', keys.due(u, 'leases'), 'NX', text(unit.lease_time(u)), s.id)
  else
    call('ZREM', keys.due(u, 'leases'), s.id)
    call('ZADD', keys.due(u, 'tombstones'), 'NX', text(u.now + TOMBSTONE_MS), s.id)
  end
end

local function lease(u, s)
  local now, span = unit.lease_time(u), tonumber(s.lease_ms)
  local till = call('ZSCORE', keys.due(u, 'leases'), s.id)
  if not till or tonumber(till) > now + 2 * span then
    call('ZADD', keys.due(u, 'leases'), text(now + span), s.id)
  end
end

-- Sessions by id; the runs come before them.
function repair.sessions(u, items)
  for _, item in ipairs(items) do
    local s = unit.session(u, item[1])
    if s and not sessions.live(s) then
      over(u, s)
    elseif s then
      call('ZADD', keys.at(u, 'sessions'), 0, s.id)
      lease(u, s)
      local other = call('GET', keys.worker(u, s.worker))
      if other ~= s.id and not sessions.live(other and unit.session(u, other)) then
        call('SET', keys.worker(u, s.worker), s.id)
      end
      local used = hands(u, s)
      if call('EXISTS', keys.pool(u, s.pool)) == 0 then
        greet_again(u, s)
      else
        local pool = fit.pool(u, s.pool)
        measure(u, s, used)
        call('SADD', keys.members(u, s.pool), s.id)
        for _, kind in ipairs(pool.kinds) do call('SADD', keys.pools(u, kind), s.pool) end
        room.show(u, s)
      end
    end
  end
  return {}
end

-- Totals of ended runs, with those that are gone, are at least those of the runs that are kept.
function repair.totals(u, items)
  local key, submitted = keys.at(u, 'totals'), 0
  for _, item in ipairs(items) do
    local count = tonumber(item[2])
    if item[1] ~= 'live' then
      count = max(count, tonumber(call('HGET', key, item[1]) or '0'))
      call('HSET', key, item[1], text(count))
    end
    submitted = submitted + count
  end
  call('HSET', key, 'submitted', text(submitted))
  return {}
end
