-- unit: the unit of work of one call.
-- Reads the namespace's meta first, hands out runs and sessions that are read once,
-- gathers what is to be written to hashes, strings, counters and the indexes that no call
-- reads back, and writes each key once at the end. Other ordered sets are written at once,
-- since later items of the call read them.

local META = { 'format', 'epoch', 'fence', 'clock', 'lease', 'lease_at', 'settle',
  'lease_ms', 'place', 'turn', 'full', 'hold', 'sweep', 'max_waiting', 'soft_bytes',
  'feed_bytes', 'repair', 'ahead_ms', 'rate', 'paused' }

-- Opens the unit, or gives a refusal. `hub` is the hub that calls, '' for none.
function unit.open(root, hub)
  bind()
  local values = call('HMGET', root .. 'meta', unpack(META))
  if not values[1] then
    return nil, refuse('NOTENTERED', 'the namespace does not exist here; call enter first')
  end
  if values[1] ~= FORMAT then
    return nil, refuse('FORMAT', 'the data has format ' .. values[1] .. ', this library reads '
      .. FORMAT .. '; run a hub of the release that wrote it')
  end
  local time = call('TIME')
  -- `ahead_ms` moves time for tests of what comes due; nothing here sets it.
  local us = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(values[18] or '0') * 1000
  local u = {
    root = root, hub = hub, us = us, names = {},
    epoch = values[2], fence = tonumber(values[3]),
    now = max(floor(us / 1000), tonumber(values[4])),
    lease = tonumber(values[5]), lease_at = tonumber(values[6]), settle = tonumber(values[7]),
    lease_ms = tonumber(values[8]), place = tonumber(values[9]), turn = tonumber(values[10]),
    full = values[11] == '1', hold = tonumber(values[12] or '0'), sweep = values[13] == '1',
    max_waiting = tonumber(values[14] or '0'), soft_bytes = tonumber(values[15] or '0'),
    feed_bytes = tonumber(values[16] or '0'), repair = values[17],
    rate = values[19] and values[19] ~= '' and values[19], pauses = values[20] or '0',
    now_text = text(max(floor(us / 1000), tonumber(values[4]))),
    lines = { counts = {}, deficits = {}, first = {}, flows = {}, asks = {}, queues = {} },
    candidates = {}, windows = {}, nowhere = {}, fitting = {}, first = {}, opened = {},
    hands = {}, hands_now = {}, strings = {}, scores = {},
    runs = {}, sessions = {}, totals = {}, queue = {}, waiting = {}, listed = {}, refs = {}, mail = {},
    worded = {}, born = {}, made = {}, unshown = {}, feed = {}, abouts = {}, place_of = {}, events = {},
    hints = {}, wakes = {}, budget = ASSIGNMENTS_PER_CALL, meta = {},
  }
  return u
end

-- Lease time: the clock, but at most LEASE_STEP_MS further per call that asks, so that
-- leases do not run out while the store or every hub was away. After a gap of more
-- than a quarter of a lease nothing expires for one more lease; below a second a late
-- tick is no gap, or with short leases nothing would ever expire.
function unit.lease_time(u)
  if u.lease_touched then return u.lease end
  u.lease_touched = true
  local passed = u.now - u.lease_at
  u.lease = u.lease + min(passed, LEASE_STEP_MS)
  u.lease_at = u.now
  if passed > max(u.lease_ms / 4, 1000) then u.settle = u.lease + u.lease_ms end
  u.meta.lease, u.meta.lease_at, u.meta.settle = text(u.lease), text(u.now), text(u.settle)
  return u.lease
end

function unit.next_fence(u)
  u.fence = max(u.fence + 1, u.us)
  return text(u.fence)
end

function unit.next_turn(u)
  u.turn = u.turn + 1
  return u.turn
end

function unit.run(u, id)
  local r = u.runs[id]
  if r ~= nil then return r end
  local flat = call('HGETALL', keys.run(u, id))
  if #flat == 0 then
    u.runs[id] = false
    return false
  end
  -- Named are the fields that most have, as a table that must grow is made again each time.
  r = {
    id = id, list = { nil, nil, nil, nil }, request = nil, kind = nil, class = nil, submitted = nil, place = nil,
    status = nil, events = nil, fence = nil, session = nil, worker = nil, started = nil,
    hub = nil, attempt = nil, version = nil, priority = nil, flow = nil, max_lost = nil, retention = nil,
    band = nil, workflow = nil, ended = nil, told = nil,
    since = nil, till = nil, about = nil,
  }
  for i = 1, #flat, 2 do r[flat[i]] = flat[i + 1] end
  unit.complete(r)
  u.runs[id] = r
  return r
end

-- Fills in what is not written, as most runs have it.
function unit.complete(r)
  r.priority, r.flow = r.priority or PRIORITY, r.flow or FLOW
  r.max_lost, r.retention = r.max_lost or MAX_LOST, r.retention or RETENTION_MS
  r.band = r.band or band_of(r.priority)
  r.workflow = r.workflow or sub(r.kind, #'workflow:' + 1)
  if r.fence then r.version = r.version or VERSION end
  if r.worker then r.started, r.attempt = r.started or r.submitted, r.attempt or ATTEMPT end
  return r
end

function unit.session(u, sid)
  local s = u.sessions[sid]
  if s ~= nil then return s end
  local flat = call('HGETALL', keys.session(u, sid))
  if #flat == 0 then
    u.sessions[sid] = false
    return false
  end
  s = {
    id = sid, changed = {}, worker = nil, instance = nil, principal = nil, stream = nil, connection = nil,
    hub = nil, pool = nil, state = nil, in_flight = nil, stopping = nil, draining = nil, lease_ms = nil,
    vram = nil, models = nil, turn = nil, seq = nil, opened = nil, sdk = nil, counted = nil, over = nil,
    offers = nil,
  }
  for i = 1, #flat, 2 do s[flat[i]] = flat[i + 1] end
  s.in_flight, s.stopping = tonumber(s.in_flight or 0), tonumber(s.stopping or 0)
  s.offers = tonumber(s.offers or 0)
  u.sessions[sid] = s
  return s
end

-- Sets a field of a run or session, now in the unit and at the end in the store. Few fields of a
-- run are set twice in a call, so they go into a list as they come, and the last one counts; those
-- of a session may be set for each run.
function unit.set(record, field, value)
  record[field] = value
  local list = record.list
  if list then
    local n = #list
    list[n + 1], list[n + 2] = field, value
  else
    record.changed[field] = value
  end
end

-- Sets a field of a run that is not written while it is as `unit.complete` has it.
function unit.set_unusual(r, field, value, usual)
  if value ~= (r[field] or usual) then unit.set(r, field, value) else r[field] = value end
end

-- Takes fields of a run away, at once.
function unit.unset(u, r, ...)
  call('HDEL', keys.run(u, r.id), ...)
  local list = r.list
  for _, field in ipairs({ ... }) do
    r[field] = nil
    for i = #list - 1, 1, -2 do
      if list[i] == field then
        table.remove(list, i)
        table.remove(list, i)
      end
    end
  end
end

-- Fields of hashes about what sessions have in hand (`held`, `mail`): each is read once, and
-- written with all others of its hash at the end. False stands for a field that is not there.
function unit.hand(u, key, field)
  local now = u.hands_now[key]
  if not now then now = {}; u.hands_now[key] = now end
  if now[field] == nil then now[field] = call('HGET', key, field) end
  return now[field]
end

function unit.set_hand(u, key, field, value)
  local now, changed = u.hands_now[key], u.hands[key]
  if not now then now = {}; u.hands_now[key] = now end
  if not changed then changed = {}; u.hands[key] = changed end
  now[field], changed[field] = value, value
end

-- Reads many fields at once, for a call that will ask for each.
function unit.prefetch(u, key, fields)
  if #fields < 2 then return end
  local now = u.hands_now[key]
  if not now then now = {}; u.hands_now[key] = now end
  for i, value in ipairs(call('HMGET', key, unpack(fields))) do now[fields[i]] = value end
end

-- The whole hash as it stands, writes of this call included.
function unit.whole_hand(u, key)
  unit.write_hand(u, key)
  return as_table(call('HGETALL', key))
end

-- Lua unpacks no more than 8,000 values, and a call may have more of one key: a session that
-- comes back is told of all that it holds.
local SLICE = 4000

function unit.sliced(list, write)
  for i = 1, #list, SLICE do write(unpack(list, i, min(i + SLICE - 1, #list))) end
end

function unit.write_hand(u, key)
  local changed = u.hands[key]
  if not changed then return end
  local set, gone = {}, {}
  for field, value in pairs(changed) do
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      gone[#gone + 1] = field
    end
  end
  u.hands[key] = nil
  unit.sliced(set, function(...) call('HSET', key, ...) end)
  unit.sliced(gone, function(...) call('HDEL', key, ...) end)
end

-- Forgets the hash, and deletes it.
function unit.drop_hand(u, key)
  u.hands[key], u.hands_now[key] = nil, nil
  call('DEL', key)
end

-- A string that is written at the end, with all others of the call.
function unit.put(u, key, value)
  u.strings[#u.strings + 1] = key
  u.strings[#u.strings + 1] = value
end

-- An entry of an ordered set that is written at the end, or before somebody reads the set.
function unit.score(u, key, score, member)
  local list = u.scores[key]
  if not list then list = {}; u.scores[key] = list end
  list[#list + 1] = score
  list[#list + 1] = member
end

function unit.write_scores(u, key)
  local list = u.scores[key]
  if not list then return end
  u.scores[key] = nil
  unit.sliced(list, function(...) call('ZADD', key, ...) end)
end

-- True while the kind is paused; read once per call, and only when `meta` says that some are.
function unit.paused(u, kind)
  if not u.paused then
    u.paused = {}
    if u.pauses == '0' then return false end
    for _, name in ipairs(call('SMEMBERS', keys.at(u, 'paused'))) do u.paused[name] = true end
  end
  return u.paused[kind] == true
end

function unit.count(u, name, by)
  u.totals[name] = (u.totals[name] or 0) + (by or 1)
end

local function write_hash(key, changed)
  local flat, n = {}, 0
  for field, value in pairs(changed) do
    flat[n + 1], flat[n + 2] = field, type(value) == 'number' and text(value) or value
    n = n + 2
  end
  if n > 0 then call('HSET', key, unpack(flat)) end
end

-- Status and number of events change more than once in many calls, and are written as they are
-- at the end.
local function write_run(key, r)
  local list = r.list
  local n = #list
  if r.told then list[n + 1], list[n + 2] = 'status', r.status end
  if r.told and r.events then list[n + 3], list[n + 4] = 'events', r.events end
  if r.told or n > 0 then call('HSET', key, unpack(list)) end
end

local function write_counts(key, counts)
  for field, by in pairs(counts) do
    if by ~= 0 then
      local now = call('HINCRBY', key, field, by)
      if now == 0 then call('HDEL', key, field) end
    end
  end
end

-- Writes all that was gathered. A positive answer always writes at least the clock, so
-- that a barrier behind the call has something to confirm.
function unit.close(u)
  room.settle(u)
  for id, r in pairs(u.runs) do
    if r and not r.gone then write_run(keys.run(u, id), r) end
  end
  for sid, s in pairs(u.sessions) do
    if s and not s.gone then write_hash(keys.session(u, sid), s.changed) end
  end
  for key in pairs(u.hands) do unit.write_hand(u, key) end
  unit.sliced(u.strings, function(...) call('MSET', ...) end)
  for key in pairs(u.scores) do unit.write_scores(u, key) end
  for name, by in pairs(u.totals) do call('HINCRBY', keys.at(u, 'totals'), name, by) end
  for kind, counts in pairs(u.queue) do
    write_counts(keys.queue(u, kind), counts)
    local total = 0
    for _, by in pairs(counts) do total = total + by end
    call('ZINCRBY', keys.at(u, 'kinds'), total, kind)
  end
  classes.settle(u)
  events.close(u)
  u.meta.clock, u.meta.fence = u.now_text, text(u.fence)
  u.meta.place, u.meta.turn = text(u.place), text(u.turn)
  write_hash(keys.at(u, 'meta'), u.meta)
  mail.hint(u)
end
