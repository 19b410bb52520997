-- room: how much each session can still take.
-- Work in flight is counted here, where it is assigned, and nowhere else. Room comes
-- back when the work has stopped, not when it was told to.

local TURNS = 1000000000

local function used_mb(s, pool)
  local used = {}
  for mb in gmatch(s.vram or '', '[^,]+') do used[#used + 1] = tonumber(mb) end
  for i = #used + 1, #pool.devices do used[i] = 0 end
  return used
end

-- The device with the most free memory, and how much that is.
local function freest(s, pool)
  local used, best, most = used_mb(s, pool), nil, 0
  for i, budget in ipairs(pool.devices) do
    local left = budget - used[i]
    if left > most then best, most = i, left end
  end
  return best, most
end

-- True when the session takes new work at all.
function room.takes_work(s)
  return s.state == 'open' and s.draining ~= '1'
end

-- The load by which sessions of one pool are ordered, or nil without room. The part
-- behind the point lets equal loads take turns.
local function load_of(s, pool)
  if not room.takes_work(s) then return nil end
  local turn = (tonumber(s.turn or 0) % TURNS) / TURNS
  if pool.admission == 'vram' then
    local _, most = freest(s, pool)
    return most > 0 and turn - most or nil
  end
  if pool.admission == 'reactive' then
    return s.offers < pool.max and s.in_flight + turn or nil
  end
  return s.in_flight < pool.max and s.in_flight + turn or nil
end

-- True when the session can take one more run of some class.
function room.any(s, pool)
  return load_of(s, pool) ~= nil
end

-- True when the session can take one more run of the class.
function room.has(s, pool, class)
  if not room.takes_work(s) then return false end
  if pool.admission == 'reactive' then return s.offers < pool.max end
  if pool.admission ~= 'vram' then return s.in_flight < pool.max end
  local _, most = freest(s, pool)
  return class.vram_mb > 0 and most >= class.vram_mb
end

-- How many more runs the session takes for certain; where each takes memory, that is one.
function room.left(s, pool)
  if pool.admission == 'vram' then return 1 end
  return pool.max - (pool.admission == 'reactive' and s.offers or s.in_flight)
end

-- The session's load has changed: it is put where it belongs before anybody looks, at the
-- latest at the end of the call.
function room.show(u, s)
  u.unshown[s.id] = s
  local first = u.first[s.pool]
  if first and first.session ~= s.id then u.first[s.pool] = nil end
  if next(u.nowhere) then u.nowhere = {} end
end

local place_

-- The least loaded session of a pool and its load. As long as no other session of the pool
-- changes, the first stays it until its load has grown beyond the second's.
function room.first(u, pool_id)
  local first = u.first[pool_id]
  if first then
    local load, changed = first.load, u.unshown[first.session]
    if changed then load = load_of(changed, fit.pool(u, pool_id)) end
    if load and load <= first.second then return first.session, load end
  end
  room.settle(u)
  local two = call('ZRANGE', keys.free(u, pool_id), 0, 1, 'WITHSCORES')
  if not two[1] then return nil end
  first = { session = two[1], load = tonumber(two[2]), second = tonumber(two[4] or math.huge) }
  u.first[pool_id] = first
  return first.session, first.load
end

function room.settle(u)
  if next(u.unshown) == nil then return end
  for sid, s in pairs(u.unshown) do
    u.unshown[sid], u.first[s.pool] = nil, nil
    place_(u, s)
  end
end

-- Puts the session where its load belongs, and its pool among those with room.
function place_(u, s)
  local pool = fit.pool(u, s.pool)
  if not pool then return end
  local free, load = keys.free(u, s.pool), load_of(s, pool)
  if load then
    call('ZADD', free, text(load), s.id)
  else
    call('ZREM', free, s.id)
  end
  for model in gmatch(s.models or '', '[^,]+') do
    local warm = keys.warm(u, s.pool, model)
    if load then call('ZADD', warm, text(load), s.id) else call('ZREM', warm, s.id) end
  end
  local open = load ~= nil or call('EXISTS', free) == 1
  -- What this call has read or written of the pool already, whichever session it was for.
  if u.opened[s.pool] == open then return end
  u.opened[s.pool], u.candidates = open, {}
  for _, kind in ipairs(pool.kinds) do
    if open then
      call('ZADD', keys.open(u, kind), '0', s.pool)
    else
      call('ZREM', keys.open(u, kind), s.pool)
    end
  end
end

-- Takes the session out of every list of those with room.
function room.hide(u, s)
  local state = s.state
  u.first[s.pool] = nil
  s.state = 'closed'
  u.unshown[s.id] = nil
  place_(u, s)
  s.state = state
end

-- Takes room for a run; gives the device that it is to use, or nil.
function room.take(u, s, run_vram)
  local pool, device = fit.pool(u, s.pool), nil
  unit.set(s, 'in_flight', s.in_flight + 1)
  if pool.admission == 'reactive' then unit.set(s, 'offers', s.offers + 1) end
  unit.set(s, 'turn', unit.next_turn(u))
  if pool.admission == 'vram' then
    device = freest(s, pool)
    local used = used_mb(s, pool)
    used[device] = used[device] + run_vram
    unit.set(s, 'vram', concat(used, ','))
  end
  room.show(u, s)
  return device
end

-- Gives the room of a run back.
function room.give(u, s, r)
  unit.set(s, 'in_flight', max(0, s.in_flight - 1))
  local pool = fit.pool(u, s.pool)
  if pool and pool.admission == 'vram' and r and r.device then
    local used, device = used_mb(s, pool), tonumber(r.device) + 1
    used[device] = max(0, (used[device] or 0) - tonumber(r.vram or 0))
    unit.set(s, 'vram', concat(used, ','))
  end
  room.show(u, s)
end

-- Takes room for a run that the worker holds already (after the store lost its writes).
function room.adopt(u, s, r)
  unit.set(s, 'in_flight', s.in_flight + 1)
  local pool = fit.pool(u, s.pool)
  if pool.admission == 'vram' and r.device then
    local used, device = used_mb(s, pool), tonumber(r.device) + 1
    used[device] = (used[device] or 0) + tonumber(r.vram or 0)
    unit.set(s, 'vram', concat(used, ','))
  end
  room.exceed(u, s)
  room.show(u, s)
end

-- What a worker holds already may be more than it takes now, when it came back with a
-- smaller declaration or with runs that the store had forgotten: remembered as `over`.
function room.exceed(u, s)
  local pool = fit.pool(u, s.pool)
  if s.in_flight > (pool.admission == 'fixed' and pool.max or 0) then unit.set(s, 'over', s.in_flight) end
end
