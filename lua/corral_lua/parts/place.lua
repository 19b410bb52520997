-- place: finds a session for a run that has just arrived.
-- The invariant is that no run waits while a session with room fits it. So a class with
-- a backlog has no room anywhere, and its next run is not searched for.

local FEW = 16

-- How many live pools fit the class; asked once per call.
function place.fitting(u, class)
  local known = u.fitting[class.id]
  if not known then
    known = call('SCARD', keys.fits(u, class.id))
    u.fitting[class.id] = known
  end
  return known
end

-- Pools that fit the class and have room. Few fit: ask which of them are open. Many
-- fit: look at some open ones in turn, and at the whole intersection when none fits.
-- The few are worked out once per call, and again when a pool opens, closes, comes or goes.
local function candidates(u, class)
  local known = u.candidates[class.id]
  if known then return known end
  local fits, open = keys.fits(u, class.id), keys.open(u, class.kind)
  local out = {}
  if place.fitting(u, class) <= FEW then
    for _, pool in ipairs(call('SMEMBERS', fits)) do
      if call('ZSCORE', open, pool) then out[#out + 1], u.opened[pool] = pool, true end
    end
    u.candidates[class.id] = out
    return out
  end
  for _, pool in ipairs(call('ZRANGE', open, 0, FEW - 1)) do
    if call('SISMEMBER', fits, pool) == 1 then out[#out + 1] = pool end
  end
  if #out > 0 then return out end
  return call('ZINTER', 2, open, fits)
end

local function better(a, b)
  if not b then return true end
  if a.version ~= b.version then return a.version > b.version end
  if a.score ~= b.score then return a.score > b.score end
  if a.load ~= b.load then return a.load < b.load end
  return a.pool < b.pool
end

local function consider(best, class, verdict, pool, entry, bonus)
  if not entry[1] then return best end
  local load = tonumber(entry[2])
  -- The free memory, without the part that lets equal loads take turns.
  if class.vram_mb > 0 and load < 0 and -floor(load) < class.vram_mb then return best end
  local seen = {
    version = class.version == 0 and verdict.version or 0,
    score = verdict.score + bonus, load = load, pool = pool, session = entry[1],
  }
  return better(seen, best) and seen or best
end

-- The least loaded session of a pool with its load; for a run that was declined before,
-- the first of some that has not declined it.
local function freest(u, pool, run)
  local free = keys.free(u, pool)
  if not run then return room.first(u, pool) end
  local some = call('ZRANGE', free, 0, FEW - 1, 'WITHSCORES')
  for i = 1, #some, 2 do
    if call('SISMEMBER', keys.declined(u, run), some[i]) == 0 then return { some[i], some[i + 1] } end
  end
  return {}
end

-- Gives the best session with room, or nil. `run` is given when it was declined before.
function place.search(u, class, model, run)
  if u.now < u.hold or unit.paused(u, class.kind) then return nil end
  if run or model and model ~= '' then room.settle(u) end
  local pools = candidates(u, class)
  -- One pool has room and nothing is to be chosen by model: the freest of its sessions it is.
  if #pools == 1 and not run and (not model or model == '') then
    local sid = room.first(u, pools[1])[1]
    local s = sid and unit.session(u, sid)
    return s and room.has(s, fit.pool(u, s.pool), class) and s or nil
  end
  local best
  for _, id in ipairs(pools) do
    local verdict = fit.verdict(u, id, class.id)
    if model and model ~= '' and not run then
      local warm = call('ZRANGE', keys.warm(u, id, model), 0, 0, 'WITHSCORES')
      best = consider(best, class, verdict, id, warm, 50)
    end
    best = consider(best, class, verdict, id, freest(u, id, run), 0)
  end
  if not best then return nil end
  local s = unit.session(u, best.session)
  if not room.has(s, fit.pool(u, s.pool), class) then return nil end
  if #pools > 1 then
    call('ZADD', keys.open(u, class.kind), 'XX', unit.next_turn(u), best.pool)
  end
  return s
end

-- Names the stage that leaves no live pool for the class: no session now, ever.
function place.stage(u, class)
  local order = { capability = 1, tags = 2, selector = 3, taints = 4, vram = 5 }
  local furthest = 'capability'
  for _, pool in ipairs(call('SMEMBERS', keys.pools(u, class.kind))) do
    local verdict = fit.verdict(u, pool, class.id)
    if verdict.version then return 'room' end
    if order[verdict.stage] > order[furthest] then furthest = verdict.stage end
  end
  return furthest
end

-- A run arrives: it starts at once, or joins its line.
function place.arrive(u, r)
  if line.waiting(u, r.kind, r.class) == 0 then
    local s = place.search(u, fit.class(u, r.class), r.model)
    if s and u.budget > 0 then
      u.budget = u.budget - 1
      attempt.assign(u, r, s)
      return
    end
    if s then call('SADD', keys.at(u, 'unserved'), s.id) end
  end
  line.join(u, r)
end
