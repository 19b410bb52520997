-- submit: accept runs; each starts at once or joins its line.
-- KEYS  root
-- ARGV  hub, runs...   each: run, job, request, idem, kind, version, class, class_json,
--       priority, flow, weight, vram_mb, model, workflow, deadline_ms, queue_wait_ms,
--       run_ms, delay_ms, wait, retry, max_lost, retention_ms, labels
-- GIVES per run: accepted | duplicate | conflict | no_worker | vram_required | queue_full
--       | full; then the run's id, its status, and a stage that no live pool passes
-- AGAIN a known id or idempotency key with the same request digest is `duplicate`, with
--       another one `conflict`; neither changes the run

local STRIDE = 23
local WINDOW_MS = 86400000

local function known(u, id, request, idem)
  if idem ~= '' then
    local kept = call('GET', keys.idem(u, idem))
    if kept then
      local run, was = split2(kept)
      return run, was == 'v1:' .. request
    end
  end
  if u.runs[id] or call('EXISTS', keys.run(u, id)) == 1 then
    local r = unit.run(u, id)
    local same = r.request == request
    -- A key that comes with a later submit of the same run is the run's as well.
    if same and idem ~= '' and not r.idem then
      unit.set(r, 'idem', idem)
      unit.set(r, 'retention', text(max(tonumber(r.retention), WINDOW_MS)))
      call('SET', keys.idem(u, idem), id .. ' v1:' .. request)
    end
    return id, same
  end
  return nil
end

-- The stage at which every live pool falls out, once per class and call; '' when one fits.
local function missing(u, class)
  u.stages = u.stages or {}
  if not u.stages[class.id] then
    local stage = ''
    if call('EXISTS', keys.fits(u, class.id)) == 0 then stage = place.stage(u, class) end
    u.stages[class.id] = stage
  end
  return u.stages[class.id]
end

-- True when only sessions with a budget of video memory offer the kind; once per call.
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
    local waiting = tonumber(call('ZSCORE', keys.at(u, 'kinds'), kind) or 0)
    for _, by in pairs(u.queue[kind] or {}) do waiting = waiting + by end
    if waiting >= u.max_waiting then return 'queue_full', '' end
  end
  if class.vram_mb == 0 and only_vram(u, kind) then return 'vram_required', '' end
  if wait == '0' and delay == 0 then
    if line.waiting(u, kind, class.id) > 0 or u.budget <= 0 or not place.search(u, class, '') then
      return 'no_worker', place.stage(u, class)
    end
  end
  return nil
end

local function accept(u, argv, i, class)
  local id, kind, priority = argv[i], argv[i + 4], tonumber(argv[i + 8])
  local band = floor(priority / PRIORITIES_PER_BAND)
  local r = { id = id, changed = {} }
  u.runs[id] = r
  call('SET', keys.job(u, id), argv[i + 1])
  local fields = {
    status = 'pending', request = argv[i + 2], kind = kind, class = class.id,
    band = text(band), flow = argv[i + 9], priority = argv[i + 8], workflow = argv[i + 13],
    max_lost = argv[i + 20], submitted = text(u.now), place = text(line.new_place(u, priority)),
    version = argv[i + 5],
  }
  if argv[i + 3] ~= '' then
    fields.idem = argv[i + 3]
    call('SET', keys.idem(u, argv[i + 3]), id .. ' v1:' .. argv[i + 2])
  end
  fields.retention = text(max(tonumber(argv[i + 21]), fields.idem and WINDOW_MS or 0))
  if argv[i + 10] ~= '1' then fields.weight = argv[i + 10] end
  if argv[i + 11] ~= '0' then fields.vram = argv[i + 11] end
  if argv[i + 12] ~= '' then fields.model = argv[i + 12] end
  if argv[i + 14] ~= '0' then fields.deadline = text(u.now + tonumber(argv[i + 14])) end
  if argv[i + 15] ~= '0' then fields.queue_wait = argv[i + 15] end
  if argv[i + 16] ~= '0' then fields.run_ms = argv[i + 16] end
  if argv[i + 19] ~= '' then fields.retry = argv[i + 19] end
  if argv[i + 22] ~= '' then fields.labels = argv[i + 22] end
  for field, value in pairs(fields) do unit.set(r, field, value) end
  call('ZADD', keys.at(u, 'runs'), fields.submitted, id)
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
    events.status(u, r, 'delayed', '')
  else
    events.status(u, r, 'pending', '')
    place.arrive(u, r)
  end
end

function transitions.submit(u, argv)
  local verdicts = {}
  for i = 2, #argv, STRIDE do
    local id, kind, delay = argv[i], argv[i + 4], tonumber(argv[i + 17])
    local known_id, same = known(u, id, argv[i + 2], argv[i + 3])
    if known_id then
      if same then unit.count(u, 'deduplicated') end
      verdicts[#verdicts + 1] = { same and 'duplicate' or 'conflict', known_id, '', '' }
    else
      classes.born(u, argv[i + 6], argv[i + 7], kind)
      local class = fit.class(u, argv[i + 6])
      local why, stage = refusal(u, kind, class, delay, argv[i + 18])
      if why then
        classes.refer(u, class.id, 0)
        verdicts[#verdicts + 1] = { why, id, '', stage }
      else
        local r = accept(u, argv, i, class)
        begin(u, r, delay)
        verdicts[#verdicts + 1] = { 'accepted', id, r.status, missing(u, class) }
      end
    end
  end
  retention.trim(u, TRIMS_PER_SUBMIT)
  return verdicts
end
