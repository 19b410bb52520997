-- place: finds a session for a run that has just arrived.
-- The invariant is that no run waits while a session with room fits it. So a class with
-- a backlog has no room anywhere, and its next run is not searched for.

-- Of so many pools all are looked at. Of more so many are looked at for a run, and for as many runs.
local FEW = 16
-- Of pools that fit and have room, when none of those that came up takes the run.
local WHOLE = 256

-- How many live pools fit the class; asked once per call.
function place.fitting(u, class)
  local known = u.fitting[class.id]
  if not known then
    known = call('SCARD', keys.fits(u, class.id))
    u.fitting[class.id] = known
  end
  return known
end

-- The pools that have room, of few that fit. Worked out once per call, and again when a pool opens,
-- closes, comes or goes.
local function few(u, class)
  local known = u.candidates[class.id]
  if known then return known end
  local out, pools = {}, call('SMEMBERS', keys.fits(u, class.id))
  if #pools > 0 then
    for i, score in ipairs(call('ZMSCORE', keys.open(u, class.kind), unpack(pools))) do
      if score then out[#out + 1], u.opened[pools[i]] = pools[i], true end
    end
  end
  u.candidates[class.id] = out
  return out
end

-- The pools that fit, of some that had room: the next ones in turn, for the next runs of the class in
-- this call. Pools stand in the order of their digests, so those side by side have nothing in common.
local function some(u, class)
  local known = u.windows[class.id]
  if known and known.runs < FEW then
    known.runs = known.runs + 1
    return known.pools
  end
  local open, out = keys.open(u, class.kind), {}
  local count = call('ZCARD', open)
  if count > 0 then
    local from = u.turn % count
    local pools = call('ZRANGE', open, from, from + FEW - 1)
    local left = min(FEW - #pools, from)
    if left > 0 then
      for _, pool in ipairs(call('ZRANGE', open, 0, left - 1)) do pools[#pools + 1] = pool end
    end
    for i, one in ipairs(call('SMISMEMBER', keys.fits(u, class.id), unpack(pools))) do
      if one == 1 then out[#out + 1] = pools[i] end
    end
  end
  u.windows[class.id] = { pools = out, runs = 1 }
  return out
end

-- What fits and has room, in full.
local function all(u, class)
  room.settle(u)
  u.windows[class.id] = nil
  local out = call('ZINTER', 2, keys.open(u, class.kind), keys.fits(u, class.id))
  for i = #out, WHOLE + 1, -1 do out[i] = nil end
  return out
end

local function better(best, version, score, load, pool)
  if not best then return true end
  if version ~= best.version then return version > best.version end
  if score ~= best.score then return score > best.score end
  if load ~= best.load then return load < best.load end
  return pool < best.pool
end

-- The session of the pool with its load, or the best one so far. A table is made for the better
-- ones alone, as this looks at many pools for each run.
local function consider(best, class, verdict, pool, sid, load, bonus)
  if not sid then return best end
  -- The free memory, without the part that lets equal loads take turns.
  if class.vram_mb > 0 and load < 0 and -floor(load) < class.vram_mb then return best end
  local version, score = class.version == 0 and verdict.version or 0, verdict.score + bonus
  if not better(best, version, score, load, pool) then return best end
  return { version = version, score = score, load = load, pool = pool, session = sid }
end

-- The least loaded session of a pool with its load; for a run that was declined before,
-- the first of some that has not declined it.
local function freest(u, pool, run)
  local free = keys.free(u, pool)
  if not run then return room.first(u, pool) end
  local some = call('ZRANGE', free, 0, FEW - 1, 'WITHSCORES')
  for i = 1, #some, 2 do
    if call('SISMEMBER', keys.declined(u, run), some[i]) == 0 then return some[i], tonumber(some[i + 1]) end
  end
end

local function best_of(u, class, model, run, pools)
  local best
  for _, id in ipairs(pools) do
    local verdict = fit.verdict(u, id, class.id)
    if model and model ~= '' and not run then
      local warm = call('ZRANGE', keys.warm(u, id, model), 0, 0, 'WITHSCORES')
      best = consider(best, class, verdict, id, warm[1], tonumber(warm[2]), 50)
    end
    local sid, load = freest(u, id, run)
    best = consider(best, class, verdict, id, sid, load, 0)
  end
  return best and best.session
end

-- Gives the best session with room, or nil. `run` is given when it was declined before.
function place.search(u, class, model, run)
  if u.now < u.hold or unit.paused(u, class.kind) then return nil end
  if run or model and model ~= '' then room.settle(u) end
  local sid
  if place.fitting(u, class) <= FEW then
    local pools = few(u, class)
    -- One pool has room and nothing is to be chosen by model: the freest of its sessions it is.
    if #pools == 1 and not run and (not model or model == '') then
      sid = room.first(u, pools[1])
    else
      sid = best_of(u, class, model, run, pools)
    end
  else
    sid = best_of(u, class, model, run, some(u, class)) or best_of(u, class, model, run, all(u, class))
  end
  local s = sid and unit.session(u, sid)
  return s and room.has(s, fit.pool(u, s.pool), class) and s or nil
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
