-- classes: the lives of classes and pools, and which pools fit which class.
-- A class lives as long as a run that is not terminal has it (a lost run must find its
-- constraints again), and for LINGER_MS more, as where runs come one by one each would make it
-- anew; a pool lives as long as a session has it.

local LINGER_MS = 5000

-- A run of the class begins (+1) or ends (-1); counted once at the end of the call.
function classes.refer(u, class, by)
  u.refs[class] = (u.refs[class] or 0) + by
end

-- Makes sure that the class exists, and works out which live pools fit it.
function classes.born(u, id, json, kind)
  if u.born[id] then return end
  u.born[id] = true
  if call('SADD', keys.classes(u, kind), id) == 0 then return end
  u.made[id] = true
  call('SET', keys.class(u, id), json)
  for _, pool in ipairs(call('SMEMBERS', keys.pools(u, kind))) do
    if fit.fits(u, pool, id) then call('SADD', keys.fits(u, id), pool) end
  end
end

local function finish(u, id, kind)
  call('SREM', keys.classes(u, kind), id)
  call('DEL', keys.class(u, id), keys.fits(u, id))
end

function classes.settle(u)
  local refs = keys.at(u, 'refs')
  for id, by in pairs(u.refs) do
    if by ~= 0 then
      if call('HINCRBY', refs, id, by) == 0 then
        call('HDEL', refs, id)
        call('ZADD', keys.due(u, 'classes'), text(u.now + LINGER_MS), id .. ' ' .. fit.class(u, id).kind)
      end
    elseif u.made[id] and call('HEXISTS', refs, id) == 0 then
      -- It was made for a run that was then refused.
      finish(u, id, fit.class(u, id).kind)
    end
  end
end

-- Ends up to `limit` classes that have had no runs for long enough; gives how many it looked at.
function classes.expire(u, limit)
  local due = keys.due(u, 'classes')
  local members = call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, limit)
  for _, member in ipairs(members) do
    local id, kind = split2(member)
    call('ZREM', due, member)
    -- A run of this very call counts as well.
    if not u.refs[id] and call('HEXISTS', keys.at(u, 'refs'), id) == 0 then
      finish(u, id, kind)
    end
  end
  return #members
end

-- A session joins the pool; a first one makes the pool live and lets the classes that
-- waited for such a pool into their lines.
function classes.join(u, pool_id, json, sid)
  u.candidates, u.windows, u.nowhere, u.fitting, u.first = {}, {}, {}, {}, {}
  call('SADD', keys.members(u, pool_id), sid)
  if call('SETNX', keys.pool(u, pool_id), json) == 0 then return end
  local pool = fit.pool(u, pool_id)
  for _, kind in ipairs(pool.kinds) do
    call('SADD', keys.pools(u, kind), pool_id)
    for _, class in ipairs(call('SMEMBERS', keys.classes(u, kind))) do
      if fit.fits(u, pool_id, class) then
        call('SADD', keys.fits(u, class), pool_id)
        for band = 0, BANDS - 1 do line.stand(u, kind, band, class) end
      end
    end
  end
end

-- A session leaves the pool; with the last one the pool ends, and classes that only it
-- fitted leave their lines, so that they cost the others nothing.
function classes.leave(u, pool_id, sid)
  u.candidates, u.windows, u.nowhere, u.fitting, u.first = {}, {}, {}, {}, {}
  call('SREM', keys.members(u, pool_id), sid)
  if call('EXISTS', keys.members(u, pool_id)) == 1 then return end
  local pool = fit.pool(u, pool_id)
  if not pool then return end
  u.opened[pool_id] = nil
  for _, kind in ipairs(pool.kinds) do
    call('SREM', keys.pools(u, kind), pool_id)
    call('ZREM', keys.open(u, kind), pool_id)
    for _, class in ipairs(call('SMEMBERS', keys.classes(u, kind))) do
      if call('SREM', keys.fits(u, class), pool_id) == 1 then
        for band = 0, BANDS - 1 do line.stand(u, kind, band, class) end
      end
    end
  end
  call('DEL', keys.pool(u, pool_id))
end
