-- submit: accept runs; each starts at once or joins its line.
-- KEYS  root
-- ARGV  hub, runs...   each: asked (a MessagePack map of run, job, request, idem, kind,
--       version, class, class_json, priority, flow, weight, vram_mb, model, workflow,
--       deadline_ms, queue_wait_ms, run_ms, delay_ms, wait, retry, max_lost, retention_ms,
--       labels and once; what is as with most runs is left out, and so is class_json
--       but for the first run of a class)
-- GIVES per run (MessagePack): accepted | duplicate | conflict | no_worker | vram_required
--       | queue_full | full | rate_limited; then the run's id, its status, a stage that no live
--       pool passes (for rate_limited the ms until a run may be submitted), now, and when it was
--       given to a session its fence, session, worker, hub, version and device
-- AGAIN a known id or idempotency key with the same request digest is `duplicate`, with
--       another one `conflict`; neither changes the run

local WINDOW_MS = 86400000

local function known(u, id, request, idem)
  if idem then
    local kept = u.idem[idem] or call('GET', keys.idem(u, idem))
    if kept then
      local run, was = split2(kept)
      return run, was == 'v1:' .. request
    end
  end
  if u.runs[id] or u.some_known and call('EXISTS', keys.run(u, id)) == 1 then
    local r = unit.run(u, id)
    local same = r.request == request
    -- A key that comes with a later submit of the same run is the run's as well.
    if same and idem and not r.idem then
      unit.set(r, 'idem', idem)
      unit.set(r, 'retention', text(max(tonumber(r.retention), WINDOW_MS)))
      if r.ended then
        local due = max(tonumber(r.ended) + tonumber(r.retention), u.now + WINDOW_MS)
        call('ZADD', keys.due(u, 'retention'), text(due), id)
      end
      u.idem[idem] = id .. ' v1:' .. request
      unit.put(u, keys.idem(u, idem), u.idem[idem])
    end
    return id, same
  end
  return nil
end

-- The stage at which every live pool falls out, once per class and call; '' when one fits.
local function missing(u, class)
  u.stages = u.stages or {}
  if not u.stages[class.id] then
    u.stages[class.id] = place.fitting(u, class) > 0 and '' or place.stage(u, class)
  end
  return u.stages[class.id]
end

-- True when only sessions with a budget of video memory offer the kind; once per call, and only
-- for a class that none fits, as a large fleet has many pools.
local function only_vram(u, kind)
  u.only_vram = u.only_vram or {}
  if u.only_vram[kind] == nil then
    local pools = call('SMEMBERS', keys.pools(u, kind))
    local all = #pools > 0
    for _, id in ipairs(pools) do
      if fit.pool(u, id).admission ~= 'vram' then
        all = false
        break
      end
    end
    u.only_vram[kind] = all
  end
  return u.only_vram[kind]
end

-- Everything that can refuse a run, before the first write for it.
local function refusal(u, kind, class, delay, wait)
  if u.full then return 'full', '' end
  if u.max_waiting > 0 then
    local waiting = line.listed(u, kind)
    for _, by in pairs(u.queue[kind] or {}) do waiting = waiting + by end
    if waiting >= u.max_waiting then return 'queue_full', '' end
  end
  if class.vram_mb == 0 and missing(u, class) ~= '' and only_vram(u, kind) then return 'vram_required', '' end
  if wait == 0 and delay == 0 then
    if line.waiting(u, kind, class.id) > 0 or u.budget <= 0 or not place.search(u, class, '') then
      return 'no_worker', place.stage(u, class)
    end
  end
  local wait_ms = rate.take(u)
  if wait_ms > 0 then return 'rate_limited', text(wait_ms) end
  return nil
end

-- The run as it is asked for. `list` is what is written, the rest what is read in the call.
local function accept(u, asked, class)
  local id, kind = asked.run, asked.kind
  local priority, flow = asked.priority and text(asked.priority) or PRIORITY, asked.flow or FLOW
  local max_lost = asked.max_lost and text(asked.max_lost) or MAX_LOST
  local retention = asked.retention_ms and text(asked.retention_ms) or RETENTION_MS
  if asked.idem then
    u.idem[asked.idem] = id .. ' v1:' .. asked.request
    unit.put(u, keys.idem(u, asked.idem), u.idem[asked.idem])
    retention = text(max(tonumber(retention), WINDOW_MS))
  end
  local place_ = text(line.new_place(u, tonumber(priority)))
  local version = asked.version and text(asked.version) or nil
  -- With room for what comes when it starts: a table that must grow is made twice.
  local list = {
    'request', asked.request, 'kind', kind, 'class', class.id, 'submitted', u.now_text,
    'place', place_, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
  }
  local r = {
    id = id, list = list, job = asked.job, request = asked.request, kind = kind,
    class = class.id, submitted = u.now_text, place = place_, version = version, flow = flow,
    priority = priority, band = band_of(priority), workflow = asked.workflow, max_lost = max_lost,
    retention = retention,
    status = nil, fence = nil, session = nil, worker = nil, hub = nil, started = nil, attempt = nil,
    told = nil, since = nil, till = nil, about = nil,
  }
  u.runs[id] = r
  if priority ~= PRIORITY then unit.set(r, 'priority', priority) end
  if flow ~= FLOW then unit.set(r, 'flow', flow) end
  if kind ~= 'workflow:' .. r.workflow then unit.set(r, 'workflow', r.workflow) end
  if max_lost ~= MAX_LOST then unit.set(r, 'max_lost', max_lost) end
  if retention ~= RETENTION_MS then unit.set(r, 'retention', retention) end
  if version then unit.set(r, 'version', version) end
  if asked.idem then unit.set(r, 'idem', asked.idem) end
  if asked.weight then unit.set(r, 'weight', text(asked.weight)) end
  if asked.vram_mb then unit.set(r, 'vram', text(asked.vram_mb)) end
  if asked.model then unit.set(r, 'model', asked.model) end
  if asked.deadline_ms then unit.set(r, 'deadline', text(u.now + asked.deadline_ms)) end
  if asked.queue_wait_ms then unit.set(r, 'queue_wait', text(asked.queue_wait_ms)) end
  if asked.run_ms then unit.set(r, 'run_ms', text(asked.run_ms)) end
  if asked.retry then unit.set(r, 'retry', asked.retry) end
  if asked.labels then unit.set(r, 'labels', asked.labels) end
  if asked.once then unit.set(r, 'once', text(asked.once)) end
  unit.put(u, keys.job(u, id), r.job)
  unit.score(u, keys.at(u, 'runs'), u.now_text, id)
  classes.refer(u, class.id, 1)
  unit.count(u, 'submitted')
  return r
end

local function begin(u, r, delay)
  attempt.watch(u, r)
  if delay > 0 then
    local due = text(u.now + delay)
    unit.set(r, 'due', due)
    call('ZADD', keys.due(u, 'delays'), due, r.id)
    events.status(u, r, 'delayed', '{"reason":"start","due_ms":' .. due .. '}')
  else
    events.status(u, r, 'pending', '')
    place.arrive(u, r)
  end
end

-- What the submitter learns of its run, so that nobody has to ask for it again.
local function accepted(u, r, class)
  local stage = missing(u, class)
  if r.status ~= 'running' and r.status ~= 'offered' then
    return { 'accepted', r.id, r.status, stage, u.now_text }
  end
  local s = unit.session(u, r.session)
  return { 'accepted', r.id, r.status, stage, u.now_text, r.fence, s.id, s.worker, s.hub, r.version or '0',
    r.device or '-1' }
end

function transitions.submit(u, argv)
  local verdicts, ids, runs, shapes = {}, {}, {}, {}
  u.idem = {}
  for i = 2, #argv do
    local asked = unpack_map(argv[i])
    runs[i - 1], ids[i - 1] = asked, keys.run(u, asked.run)
    if asked.class_json then shapes[asked.class] = asked.class_json end
  end
  -- Nearly always none of them is there, and one question tells.
  u.some_known = call('EXISTS', unpack(ids)) > 0
  for i, asked in ipairs(runs) do
    local id, delay = asked.run, asked.delay_ms or 0
    local known_id, same = known(u, id, asked.request, asked.idem)
    if known_id then
      if same then unit.count(u, 'deduplicated') end
      verdicts[i] = pack({ same and 'duplicate' or 'conflict', known_id, '', '' })
    else
      classes.born(u, asked.class, shapes[asked.class], asked.kind)
      local class = fit.class(u, asked.class)
      local why, stage = refusal(u, asked.kind, class, delay, asked.wait)
      if why then
        classes.refer(u, class.id, 0)
        verdicts[i] = pack({ why, id, '', stage })
      else
        local r = accept(u, asked, class)
        begin(u, r, delay)
        verdicts[i] = pack(accepted(u, r, class))
      end
    end
  end
  retention.trim(u, TRIMS_PER_SUBMIT)
  return verdicts
end
