-- relining: the part of a repair that is about classes, flows and lines, from the pending
-- runs upwards. Virtual times that are kept stay; a flow without one starts at its band's clock.

-- Classes by id with kind, JSON and live runs: those without runs end, the others fit what
-- they fit.
function relining.classes(u, items)
  for _, item in ipairs(items) do
    local id, kind, json, live = item[1], item[2], item[3], item[4]
    local refs, fits = keys.at(u, 'refs'), keys.fits(u, id)
    if live == '0' then
      call('HDEL', refs, id)
      call('DEL', keys.class(u, id), fits)
      for band = 0, BANDS - 1 do call('DEL', keys.flows(u, id, band)) end
    else
      call('HSET', refs, id, live)
      call('SADD', keys.classes(u, kind), id)
      if json ~= '' then call('SET', keys.class(u, id), json) end
      for _, pool in ipairs(call('SMEMBERS', fits)) do
        local there = call('EXISTS', keys.pool(u, pool)) == 1
        if not (there and fit.fits(u, pool, id)) then call('SREM', fits, pool) end
      end
      for _, pool in ipairs(call('SMEMBERS', keys.pools(u, kind))) do
        local there = call('EXISTS', keys.pool(u, pool)) == 1
        if there and fit.fits(u, pool, id) then call('SADD', fits, pool) end
      end
    end
  end
  return {}
end

local function start_of(u, kind, band, flow)
  local own = tonumber(call('ZSCORE', keys.vt(u, kind, band), flow) or '0')
  return max(own, tonumber(call('HGET', keys.clocks(u, kind), band) or '0'))
end

local function waits_here(r, class, band, flow)
  return r and r.status == 'pending' and r.class == class and r.band == band and r.flow == flow
end

-- Flows by class, band and name, from a rank on: only pending runs of the flow stay. Gives
-- for each where to go on, or `kept` or `gone`.
function relining.flows(u, items)
  local out, budget = {}, ITEMS_PER_CALL
  for i, item in ipairs(items) do
    local class, band, flow, start = item[1], item[2], item[3], tonumber(item[4])
    local key, flows, removed, kind = keys.flow(u, class, band, flow), keys.flows(u, class, band), 0, nil
    local page = budget > 0 and call('ZRANGE', key, start, start + budget - 1) or {}
    for _, id in ipairs(page) do
      local r = unit.run(u, id)
      if waits_here(r, class, band, flow) then
        kind = r.kind
      else
        call('ZREM', key, id)
        removed = removed + 1
      end
    end
    if #page >= budget then
      out[i] = text(start + #page - removed)
    else
      out[i] = call('EXISTS', key) == 1 and 'kept' or 'gone'
      if out[i] == 'gone' then call('ZREM', flows, flow) end
    end
    if kind and not call('ZSCORE', flows, flow) then
      call('ZADD', flows, text(start_of(u, kind, band, flow)), flow)
    end
    budget = budget - #page
  end
  return out
end

-- In how many classes flows wait, by kind, band and flow; without a flow all of the band are
-- forgotten first.
function relining.waits(u, items)
  for _, item in ipairs(items) do
    local key = keys.waits(u, item[1], item[2])
    if item[3] == '' then call('DEL', key) else call('HSET', key, item[3], item[4]) end
  end
  return {}
end

-- Classes by id with their kind: each band's count, and its stand in line.
function relining.lines(u, items)
  for _, item in ipairs(items) do
    local class, kind = item[1], item[2]
    local queue = keys.queue(u, kind)
    for band = 0, BANDS - 1 do
      local flows, waiting = keys.flows(u, class, band), 0
      for _, flow in ipairs(call('ZRANGE', flows, 0, -1)) do
        local n = call('ZCARD', keys.flow(u, class, band, flow))
        if n == 0 then call('ZREM', flows, flow) end
        waiting = waiting + n
      end
      if waiting > 0 then
        call('HSET', queue, class .. ' ' .. band, text(waiting))
      else
        call('HDEL', queue, class .. ' ' .. band)
      end
      line.stand(u, kind, band, class)
    end
  end
  return {}
end

local function prune(key, members, remove, keep)
  for _, member in ipairs(members) do
    if not keep(member) then call(remove, key, member) end
  end
end

-- Kinds by name: what is not there any more leaves, and the waiting runs are added up.
function relining.kinds(u, items)
  for _, item in ipairs(items) do
    local kind, refs = item[1], keys.at(u, 'refs')
    local function runs(class) return call('HEXISTS', refs, class) == 1 end
    local classes_, pools, open = keys.classes(u, kind), keys.pools(u, kind), keys.open(u, kind)
    prune(classes_, call('SMEMBERS', classes_), 'SREM', runs)
    prune(pools, call('SMEMBERS', pools), 'SREM', function(id) return call('EXISTS', keys.pool(u, id)) == 1 end)
    prune(open, call('ZRANGE', open, 0, -1), 'ZREM', function(id)
      return call('EXISTS', keys.free(u, id), keys.pool(u, id)) == 2
    end)
    local queue, wfq, total = keys.queue(u, kind), keys.wfq(u, kind), 0
    for field, n in pairs(as_table(call('HGETALL', queue))) do
      if runs((split2(field))) then total = total + tonumber(n) else call('HDEL', queue, field) end
    end
    for band = 0, BANDS - 1 do
      local line_ = keys.line(u, kind, band)
      prune(line_, call('ZRANGE', line_, 0, -1), 'ZREM', runs)
      if call('EXISTS', line_) == 1 then
        call('HSETNX', wfq, band, '0')
      else
        call('HDEL', wfq, band)
      end
    end
    call('ZADD', keys.at(u, 'kinds'), text(total), kind)
  end
  return {}
end
