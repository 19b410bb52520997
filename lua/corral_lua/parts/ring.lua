-- ring: the latest ephemeral events of a run, and the hubs that follow them.
-- `ring:<run>` has batches of one assignment as JSON, oldest first, bounded; the field `ring`
-- of the run is `<fence> <last number> <bytes>`. It outlives the run by some seconds, so that
-- who was cut off can still read the rest. `listens:<run>` has hubs, and ends with the run.

local RING_BATCHES, RING_BYTES = 256, 262144
local RING_MS = 15000
local PUBLISHED_BYTES = 262144

local function standing(field)
  if not field then return '', 0, 0 end
  local fence, rest = split2(field)
  local last, bytes = split2(rest)
  return fence, tonumber(last), tonumber(bytes)
end

-- Gathers a batch for each hub that follows its run.
local function tell(u, run, json)
  u.told = u.told or {}
  u.listens = u.listens or {}
  local hubs = u.listens[run]
  if not hubs then
    hubs = call('SMEMBERS', keys.listens(u, run))
    u.listens[run] = hubs
  end
  for _, hub in ipairs(hubs) do
    local list = u.told[hub]
    if not list then list = { bytes = 0 }; u.told[hub] = list end
    list[#list + 1] = json
    list.bytes = list.bytes + #json
    if list.bytes >= PUBLISHED_BYTES then ring.publish(u, hub) end
  end
end

-- Tells a hub what was gathered for it. Whom it does not reach reads the ring.
function ring.publish(u, hub)
  local list = u.told[hub]
  u.told[hub] = nil
  pcall_redis('PUBLISH', keys.at(u, 'chunks:' .. hub), '[' .. concat(list, ',') .. ']')
end

-- Keeps the batch, and lets go of the oldest beyond the bounds. Near the memory limit of the
-- store nothing is kept, and only those hear it who listen.
local function keep(u, run, json, bytes)
  if u.full then return bytes end
  local key = keys.ring(u, run)
  local length = call('RPUSH', key, json)
  bytes = bytes + #json
  while length > RING_BATCHES or bytes > RING_BYTES do
    bytes = bytes - #call('LPOP', key)
    length = length - 1
  end
  return bytes
end

local FIELDS = { 'status', 'session', 'fence', 'attempt', 'ring', 'once', 'listens' }

-- Takes a batch of the session that has the run. `chunks`: how many of the items are parts of
-- the answer. The record is not read as a whole: this is done fifty times a second and run.
function ring.add(u, session, run, fence, first, count, chunks, items)
  local key = keys.run(u, run)
  local status, has, current, attempt_, field, once, listens = unpack(call('HMGET', key, unpack(FIELDS)))
  if not status then return 'unknown' end
  if status ~= 'running' or has ~= session or current ~= fence then return 'stale' end
  local own, last, bytes = standing(field)
  if own ~= fence then
    if field then call('DEL', keys.ring(u, run)) end
    last, bytes = 0, 0
  end
  if first <= last then return 'seen' end
  local json = '{"run":"' .. run .. '","fence":"' .. fence .. '","attempt":' .. (attempt_ or ATTEMPT)
    .. ',"first":' .. text(first) .. ',"count":' .. text(count)
    .. ',"size":' .. text(#items) .. ',"items":' .. items .. '}'
  bytes = keep(u, run, json, bytes)
  local now = fence .. ' ' .. text(first + count - 1) .. ' ' .. text(bytes)
  if once == '1' and chunks > 0 then
    call('HSET', key, 'ring', now, 'once', '2')
  else
    call('HSET', key, 'ring', now)
  end
  if listens then tell(u, run, json) end
  return 'ok'
end

-- Ends the call: every hub is told what is left.
function ring.close(u)
  for hub in pairs(u.told or {}) do ring.publish(u, hub) end
end

-- What is kept beyond a number of an assignment: the fence, the last number, the batches.
function ring.read(u, r, fence, number)
  local own, last = standing(r.ring)
  if own == '' or (own == fence and last <= number) then return own, last, {} end
  local out = {}
  for _, json in ipairs(call('LRANGE', keys.ring(u, r.id), 0, -1)) do
    local first, count = string.match(json, '"first":(%d+),"count":(%d+)')
    if own ~= fence or first + count - 1 > number then out[#out + 1] = json end
  end
  return own, last, out
end

-- The calling hub follows the run from here on. Hubs that are long gone are forgotten.
function ring.follow(u, r)
  local key = keys.listens(u, r.id)
  for _, hub in ipairs(call('SMEMBERS', key)) do
    local alive = hub == u.hub or tonumber(call('ZSCORE', keys.at(u, 'hubs'), hub) or 0) > u.now
    if not alive then call('SREM', key, hub) end
  end
  call('SADD', key, u.hub)
  if not r.listens then unit.set(r, 'listens', '1') end
end

function ring.leave(u, r)
  call('SREM', keys.listens(u, r.id), u.hub)
end

-- The run has ended.
function ring.finish(u, r)
  if r.listens then
    call('DEL', keys.listens(u, r.id))
    unit.unset(u, r, 'listens')
  end
  if r.ring then call('ZADD', keys.due(u, 'rings'), text(u.now + RING_MS), r.id) end
end

-- Forgets what is kept of a run, at once.
function ring.drop(u, run)
  call('DEL', keys.ring(u, run), keys.listens(u, run))
  call('HDEL', keys.run(u, run), 'ring')
  call('ZREM', keys.due(u, 'rings'), run)
end

-- Drops up to `limit` rings whose time has come; gives how many.
function ring.expire(u, limit)
  local ids = call('ZRANGE', keys.due(u, 'rings'), '-inf', u.now_text, 'BYSCORE', 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do ring.drop(u, id) end
  return #ids
end
