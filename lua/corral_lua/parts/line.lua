-- line: what waits, and who is next.
-- A kind has 8 bands; in a band stand classes by virtual time, in a class flows by
-- virtual time, in a flow runs by place. Bands are served by smooth weighted round
-- robin over those with something placeable (nginx's algorithm), flows by start-time
-- fair queueing (Goyal et al., 1996).

-- Classes that are looked at together: few at first, as nearly always the first is the one.
local GLANCE, WALK = 2, 32

-- Flows of one band whose virtual time is remembered. Beyond it the least are forgotten,
-- who start at the band's clock again and gain the least by it.
local FLOWS_REMEMBERED = 20000

-- A backlog has ended: virtual time goes on from where it left the flow that was served
-- the most, and no flow needs to be remembered.
local function rest(u, kind, band)
  local vt = keys.vt(u, kind, band)
  local last = call('ZRANGE', vt, -1, -1, 'WITHSCORES')
  if last[1] then
    call('HSET', keys.clocks(u, kind), band, text(tonumber(last[2])))
    call('DEL', vt)
  end
end

-- How far, in services, a class may stand before the real time of its first flow without
-- being moved: its flow was served in other classes meanwhile. Moving it each time would
-- cost every service a walk over all classes of the flow.
local SLACK = 8

-- Classes of equal time take turns: behind the time stands when a class was served last.
local TURN, TURNS = 1e-9, 1000000

-- How many a key has; asked once per call, and kept up to date by who changes it.
local function counted(u, command, key)
  local known = u.lines.counts[key]
  if not known then
    known = call(command, key)
    u.lines.counts[key] = known
  end
  return known
end

-- A flow begins (+1) or ends (-1) to wait in one more class of a band.
local function waits(u, kind, band, flow, by)
  local key = keys.waits(u, kind, band)
  if call('HINCRBY', key, flow, by) == 0 then call('HDEL', key, flow) end
  u.lines.counts[key] = nil
end

-- A flow that waits alone has nobody to share with; its time stands still.
local function alone(u, kind, band)
  return counted(u, 'HLEN', keys.waits(u, kind, band)) == 1
end

-- True when one class stands in the band.
local function single(u, kind, band)
  return counted(u, 'ZCARD', keys.line(u, kind, band)) == 1
end

-- Runs of a flow in a class.
local function size_of(u, flow_key)
  return counted(u, 'ZCARD', flow_key)
end

-- Deficits of the bands of a kind; read once, and written at the end of the call.
local function deficits_of(u, kind)
  local known = u.lines.deficits[kind]
  if not known then
    known = as_table(call('HGETALL', keys.wfq(u, kind)))
    u.lines.deficits[kind] = known
  end
  return known
end

local function set_deficit(u, kind, band, deficit)
  deficits_of(u, kind)[tostring(band)] = deficit
  unit.set_hand(u, keys.wfq(u, kind), tostring(band), deficit and text(deficit) or false)
end

-- The first flow of a class and its time; asked again after `line.stand`, which follows upon
-- every change of a flow's time.
local function first_flow(u, flows)
  local known = u.lines.flows[flows]
  if not known then
    known = call('ZRANGE', flows, 0, 0, 'WITHSCORES')
    u.lines.flows[flows] = known
  end
  return known
end

-- Puts the class where its first flow says, or takes it out of the line: a class
-- without flows, or that no live pool fits, does not stand there.
function line.stand(u, kind, band, class)
  local key, flows = keys.line(u, kind, band), keys.flows(u, class, band)
  u.lines.flows[flows] = nil
  local first = first_flow(u, flows)
  u.lines.first[key], u.lines.counts[key] = nil, nil
  if first[1] and call('EXISTS', keys.fits(u, class)) == 1 then
    call('ZADD', key, first[2], class)
    if not deficits_of(u, kind)[tostring(band)] then set_deficit(u, kind, band, 0) end
  elseif call('ZREM', key, class) == 1 and call('EXISTS', key) == 0 then
    set_deficit(u, kind, band, nil)
    rest(u, kind, band)
  end
end

local function count(u, kind, class, band, by)
  local counts = u.queue[kind]
  if not counts then counts = {}; u.queue[kind] = counts end
  local field = class .. ' ' .. band
  counts[field] = (counts[field] or 0) + by
  if u.waiting[class] then u.waiting[class] = u.waiting[class] + by end
end

-- Runs of the kind that waited when the call began.
function line.listed(u, kind)
  local known = u.listed[kind]
  if not known then
    known = tonumber(call('ZSCORE', keys.at(u, 'kinds'), kind) or 0)
    u.listed[kind] = known
  end
  return known
end

-- To ask for the counts of a class walks through those of all, so a call that asks for the eighth
-- time reads them whole, unless there are too many.
local ASKS, WHOLE = 8, 512

-- Counts of waiting runs as the store has them, those of the fields among them.
local function counts_of(u, kind, fields)
  local lines, key = u.lines, keys.queue(u, kind)
  local asks = (lines.asks[kind] or 0) + 1
  lines.asks[kind] = asks
  if asks == ASKS and call('HLEN', key) <= WHOLE then
    lines.queues[kind] = as_table(call('HGETALL', key))
  end
  if lines.queues[kind] then return lines.queues[kind] end
  local counts = {}
  for i, n in ipairs(call('HMGET', key, unpack(fields))) do counts[fields[i]] = n end
  return counts
end

-- Runs of the class that wait, in all bands, with what this call has changed.
function line.waiting(u, kind, class)
  local known = u.waiting[class]
  if known then return known end
  local fields, changed, total = {}, u.queue[kind] or {}, 0
  for band = 0, BANDS - 1 do
    fields[band + 1] = class .. ' ' .. band
    total = total + (changed[fields[band + 1]] or 0)
  end
  if line.listed(u, kind) > 0 then
    local counts = counts_of(u, kind, fields)
    for _, field in ipairs(fields) do total = total + tonumber(counts[field] or 0) end
  end
  u.waiting[class] = total
  return total
end

local function clock_of(u, kind, band)
  return tonumber(call('HGET', keys.clocks(u, kind), band) or '0')
end

-- A place at the end of the line for a priority.
function line.new_place(u, priority)
  u.place = u.place + 1
  return u.place + (priority % PRIORITIES_PER_BAND) * PLACES_PER_PRIORITY
end

-- Puts a run into its line at r.place.
function line.join(u, r)
  local flow_key = keys.flow(u, r.class, r.band, r.flow)
  local woke = size_of(u, flow_key) == 0
  u.lines.counts[flow_key] = size_of(u, flow_key) + 1
  unit.score(u, flow_key, r.place, r.id)
  count(u, r.kind, r.class, r.band, 1)
  if woke then
    local own = tonumber(call('ZSCORE', keys.vt(u, r.kind, r.band), r.flow) or '0')
    local start = max(own, clock_of(u, r.kind, r.band))
    call('ZADD', keys.flows(u, r.class, r.band), text(start), r.flow)
    waits(u, r.kind, r.band, r.flow, 1)
    line.stand(u, r.kind, r.band, r.class)
  end
end

local function after_flow(u, kind, band, class, flow, time)
  local flows = keys.flows(u, class, band)
  if size_of(u, keys.flow(u, class, band, flow)) == 0 then
    call('ZREM', flows, flow)
    waits(u, kind, band, flow, -1)
  elseif time then
    call('ZADD', flows, text(time + unit.next_turn(u) % TURNS * TURN), flow)
  else
    return
  end
  line.stand(u, kind, band, class)
end

-- Takes a run out of its line; gives false when it is not there.
function line.leave(u, r)
  local flow_key = keys.flow(u, r.class, r.band, r.flow)
  unit.write_scores(u, flow_key)
  if call('ZREM', flow_key, r.id) == 0 then return false end
  u.lines.counts[flow_key] = nil
  count(u, r.kind, r.class, r.band, -1)
  after_flow(u, r.kind, r.band, r.class, r.flow, nil)
  return true
end

-- Moves the first flow of a class to its real time when it was served in other classes
-- meanwhile, beyond the slack; true when something moved.
local function correct(u, kind, band, class)
  local flows = keys.flows(u, class, band)
  local first = call('ZRANGE', flows, 0, 0, 'WITHSCORES')
  local real = tonumber(call('ZSCORE', keys.vt(u, kind, band), first[1]) or '0')
  if real <= tonumber(first[2]) + SLACK then return false end
  call('ZADD', flows, text(real), first[1])
  line.stand(u, kind, band, class)
  return true
end

-- The first class of a band, by virtual time, that the session can take; the walk is
-- made again after a correction, which can move a class back at most once per flow.
local function walk(u, kind, band, s, pool)
  local key, start, some = keys.line(u, kind, band), 0, GLANCE
  while true do
    local ids = call('ZRANGE', key, start, start + some - 1)
    if #ids == 0 then return nil end
    local moved = false
    for _, id in ipairs(ids) do
      if fit.fits(u, s.pool, id) and room.has(s, pool, fit.class(u, id)) then
        if alone(u, kind, band) or not correct(u, kind, band, id) then return id end
        moved = true
        break
      end
    end
    start, some = moved and 0 or start + some, WALK
  end
end

-- The same, remembered until a class of the band moves; only for sessions whose room is one
-- number, as with another the next run may be too large for what is left.
local function first_class(u, kind, band, s, pool)
  if pool.admission == 'vram' then return walk(u, kind, band, s, pool) end
  local key = keys.line(u, kind, band)
  local known = u.lines.first[key]
  if known and known.pool == s.pool then return known.class end
  local class = walk(u, kind, band, s, pool)
  u.lines.first[key] = { pool = s.pool, class = class }
  return class
end

-- Smooth weighted round robin over the bands that can be placed on this session.
local function pick(u, kind, s, pool)
  if not room.takes_work(s) or not room.any(s, pool) then return nil end
  local deficits, classes_of, sum = {}, {}, 0
  for name, deficit in pairs(deficits_of(u, kind)) do
    local band = tonumber(name)
    local class = first_class(u, kind, band, s, pool)
    if class then
      deficits[band], classes_of[band] = tonumber(deficit) + WEIGHTS[band], class
      sum = sum + WEIGHTS[band]
    end
  end
  local best
  for band = 0, BANDS - 1 do
    if deficits[band] and (not best or deficits[band] > deficits[best]) then best = band end
  end
  if not best then return nil end
  deficits[best] = deficits[best] - sum
  for band, deficit in pairs(deficits) do set_deficit(u, kind, band, deficit) end
  return best, classes_of[best]
end

-- Charges a flow for a service, in all its classes; gives its time behind it.
local function charge(u, kind, band, flow, start, weight)
  local vt, time = keys.vt(u, kind, band), start + 1 / weight
  call('HSET', keys.clocks(u, kind), band, text(max(start, clock_of(u, kind, band))))
  call('ZADD', vt, text(time), flow)
  call('ZREMRANGEBYSCORE', vt, '-inf', text(start))
  call('ZREMRANGEBYRANK', vt, 0, -FLOWS_REMEMBERED - 1)
  return time
end

-- True when runs of one kind alone wait for the pool, all of them in one band.
local function only_these(u, kind, band, pool)
  for _, other in ipairs(pool.kinds) do
    for name in pairs(deficits_of(u, other)) do
      if other ~= kind or tonumber(name) ~= band then return false end
    end
  end
  return true
end

-- Takes the next runs of a kind for the session out of their line. It is one, or where a flow
-- waits alone, and so nobody else's turn comes, as many as the session takes.
local function pop(u, kind, s, pool)
  local band, class = pick(u, kind, s, pool)
  if not band then return {} end
  local first = first_flow(u, keys.flows(u, class, band))
  local flow, shared, some = first[1], not alone(u, kind, band), 1
  local flow_key, one_class = keys.flow(u, class, band, flow), single(u, kind, band)
  unit.write_scores(u, flow_key)
  local waiting, runs = size_of(u, flow_key), {}
  if not shared and one_class and only_these(u, kind, band, pool) then
    some = min(waiting, room.left(s, pool), u.budget)
  end
  u.lines.counts[flow_key] = waiting - some
  local popped = call('ZPOPMIN', flow_key, some)
  for i = 1, #popped, 2 do runs[#runs + 1] = unit.run(u, popped[i]) or nil end
  count(u, kind, class, band, -some)
  local r, time = runs[1], nil
  if shared and r then
    time = max(tonumber(first[2]), tonumber(call('ZSCORE', keys.vt(u, kind, band), flow) or '0'))
    -- Who had a session before has paid for it, but for another set of attempts.
    if not r.fence or r.charged == '0' then time = charge(u, kind, band, flow, time, tonumber(r.weight or 1)) end
  elseif not one_class then
    -- Its classes take turns.
    time = tonumber(first[2])
  end
  after_flow(u, kind, band, class, flow, time)
  return runs
end

-- Fills the room of a session from the lines of its kinds, in turns. What the bound of
-- one call leaves over is remembered, and the next tick goes on with it.
function line.serve(u, s)
  if u.now < u.hold or not room.takes_work(s) then return end
  local pool = fit.pool(u, s.pool)
  local kinds, idle, at = #pool.kinds, 0, u.turn
  while idle < kinds do
    if u.budget <= 0 then
      call('SADD', keys.at(u, 'unserved'), s.id)
      return
    end
    local kind = pool.kinds[at % kinds + 1]
    local runs = unit.paused(u, kind) and {} or pop(u, kind, s, pool)
    at = at + 1
    idle = #runs > 0 and 0 or idle + 1
    for _, r in ipairs(runs) do
      u.budget = u.budget - 1
      attempt.assign(u, r, s)
    end
  end
end
