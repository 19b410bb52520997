-- place: finds a session for a run that has just arrived.
-- The invariant is that no run waits while a session with room fits it, of the first WALK open
-- pools at least. So a class with a backlog has no room anywhere, and its next run is not searched for.

-- All pools that fit a class are looked at when they are no more than this. Of more, as many are
-- looked at: the next in turn.
local FEW = 16
-- Open pools that a search goes through at most, and at a time.
local WALK, STEP = 1024, 256

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

-- Goes through the open pools from the present turn on, a few first, and gives those that fit to
-- `take`, until that is content. They stand in the order of their digests, so neighbours have
-- nothing in common.
local function walk(u, class, take)
  local open, fits = keys.open(u, class.kind), keys.fits(u, class.id)
  local count, seen, size = call('ZCARD', open), 0, FEW
  local most = min(count, WALK)
  while seen < most do
    local at = (u.turn + seen) % count
    local pools = call('ZRANGE', open, at, min(at + min(size, most - seen), count) - 1)
    local fitting = {}
    for i, one in ipairs(call('SMISMEMBER', fits, unpack(pools))) do
      if one == 1 then fitting[#fitting + 1] = pools[i] end
    end
    if take(fitting) then return end
    seen, size = seen + #pools, min(size * 4, STEP)
  end
end

-- Some pools that fit and had room, of many: the next in turn, for as many runs of this call.
local function some(u, class)
  local known = u.windows[class.id]
  if not known or known.runs >= #known.pools then
    local pools = {}
    walk(u, class, function(fitting)
      for i = 1, min(#fitting, FEW - #pools) do pools[#pools + 1] = fitting[i] end
      return #pools == FEW
    end)
    known = { pools = pools, runs = 0 }
    u.windows[class.id] = known
  end
  known.runs = known.runs + 1
  return known.pools
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
  local first = call('ZRANGE', free, 0, FEW - 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    if call('SISMEMBER', keys.declined(u, run), first[i]) == 0 then return first[i], tonumber(first[i + 1]) end
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

-- Of many pools the best of some, or else the first with one that takes the run. That there is none
-- is remembered until a session has more room.
local function of_many(u, class, model, run)
  if u.nowhere[class.id] and not run then return nil end
  local sid = best_of(u, class, model, run, some(u, class))
  if sid then return sid end
  room.settle(u)
  u.windows[class.id] = nil
  walk(u, class, function(fitting)
    sid = best_of(u, class, model, run, fitting)
    return sid
  end)
  if not sid and not run then u.nowhere[class.id] = true end
  return sid
end

-- Gives the best session with room, or nil. `run` is given when it was declined before.
function place.search(u, class, model, run)
  if u.now < u.hold or unit.paused(u, class.kind) then return nil end
  if run or model and model ~= '' then room.settle(u) end
  local sid
  if place.fitting(u, class) > FEW then
    sid = of_many(u, class, model, run)
  else
    local pools = few(u, class)
    -- One pool has room and nothing is to be chosen by model: the freest of its sessions it is.
    if #pools == 1 and not run and (not model or model == '') then
      sid = room.first(u, pools[1])
    else
      sid = best_of(u, class, model, run, pools)
    end
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
