-- explain: why a run waits, by the same code that places runs. Reads only; looks at up
-- to 10,000 sessions.
-- KEYS  root
-- ARGV  hub, run
-- GIVES nothing when unknown, else status, band, runs before it in its flow, flows
--       before its own, waiting by band as a flat list, sessions by verdict as a flat
--       list, the question whose answer it is parked for ('' none); then up to 50 workers: worker, verdict, score
-- AGAIN reads again

local SESSIONS, NAMED = 10000, 50

local function verdict_on(u, s, pool, class)
  local verdict = fit.verdict(u, s.pool, class.id)
  if not verdict.version then return verdict.stage, 0 end
  if s.state ~= 'open' then return 'disconnected', 0 end
  if s.draining == '1' then return 'draining', 0 end
  if not room.has(s, pool, class) then return 'full', 0 end
  return unit.paused(u, class.kind) and 'paused' or 'fits', verdict.score
end

local function waiting_by_band(u, kind)
  local bands, flat = {}, {}
  for field, n in pairs(as_table(call('HGETALL', keys.queue(u, kind)))) do
    local _, band = split2(field)
    bands[band] = (bands[band] or 0) + tonumber(n)
  end
  for band, n in pairs(bands) do
    flat[#flat + 1] = band
    flat[#flat + 1] = text(n)
  end
  return flat
end

function transitions.explain(u, argv)
  local r = unit.run(u, argv[2])
  local class = r and fit.class(u, r.class)
  if not r then return {} end
  local ahead = call('ZRANK', keys.flow(u, r.class, r.band, r.flow), r.id) or 0
  local flows = call('ZRANK', keys.flows(u, r.class, r.band), r.flow) or 0
  local stages, workers = {}, {}
  for _, sid in ipairs(class and call('ZRANGE', keys.due(u, 'leases'), 0, SESSIONS - 1) or {}) do
    local s = unit.session(u, sid)
    if s and sessions.live(s) and s.pool then
      local verdict, score = verdict_on(u, s, fit.pool(u, s.pool), class)
      stages[verdict] = (stages[verdict] or 0) + 1
      if #workers < NAMED then workers[#workers + 1] = { s.worker, verdict, text(score) } end
    end
  end
  local flat = {}
  for verdict, n in pairs(stages) do
    flat[#flat + 1] = verdict
    flat[#flat + 1] = text(n)
  end
  local awaits = r.status == 'parked' and call('HGET', keys.run(u, r.id), 'awaits') or ''
  return { r.status, r.band, text(ahead), text(flows), waiting_by_band(u, r.kind), flat, awaits }, workers
end
