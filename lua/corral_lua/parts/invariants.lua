-- invariants: what is always true of a namespace, each by name. Used by check alone.

local broken

local function fail(name, ...) broken[#broken + 1] = { name, concat({ ... }, ' ') } end

local function expect(truth, name, ...)
  if not truth then fail(name, ...) end
end

local LIVE = { pending = true, delayed = true, running = true, offered = true, parked = true }

local function runs_of(u)
  local runs = {}
  for _, id in ipairs(call('ZRANGE', keys.at(u, 'runs'), 0, -1)) do
    local r = unit.run(u, id)
    expect(r, 'run_has_record', id)
    if r then runs[#runs + 1] = r end
  end
  return runs
end

-- The open questions of a run, counted for the index over all of them.
local asked

local function of_questions(u, r)
  for _, request in ipairs(call('HKEYS', keys.inputs(u, r.id))) do
    if not find(request, ' ', 1, true) and questions.standing(u, r.id, request) == 'open' then
      asked = asked + 1
      expect(not r.ended and call('ZSCORE', keys.at(u, 'questions'), r.id .. ' ' .. request),
        'open_question_is_listed', r.id, request)
    end
  end
end

local function of_ring(u, r)
  local batches, bytes = call('LRANGE', keys.ring(u, r.id), 0, -1), 0
  for _, json in ipairs(batches) do bytes = bytes + #json end
  if #batches > 0 then
    local counted = string.match(r.ring or '', '(%d+)$')
    expect(counted == text(bytes), 'ring_counts_its_bytes', r.id)
    expect(not r.ended or call('ZSCORE', keys.due(u, 'rings'), r.id), 'ring_has_an_end', r.id)
  end
  if r.ended then
    expect(call('EXISTS', keys.listens(u, r.id)) == 0, 'nobody_follows_what_has_ended', r.id)
  end
end

local function of_runs(u, runs)
  local refs, totals = {}, { completed = 0, failed = 0, cancelled = 0, live = 0 }
  for _, r in ipairs(runs) do
    expect(tonumber(r.fence or 0) <= u.fence, 'fence_is_known', r.id, r.fence)
    expect(call('EXISTS', keys.job(u, r.id)) == 1, 'run_has_job', r.id)
    local place_ = call('ZSCORE', keys.flow(u, r.class, r.band, r.flow), r.id)
    if r.status == 'pending' then
      expect(place_ and tonumber(place_) == tonumber(r.place), 'pending_stands_in_line', r.id)
      -- Lines are walked from this index, so one that is not in it would not be looked at.
      expect(call('ZSCORE', keys.at(u, 'kinds'), r.kind), 'kind_of_pending_is_listed', r.id, r.kind)
    else
      expect(not place_, 'only_pending_stand_in_line', r.id, r.status)
    end
    local awaits = r.status == 'parked' and call('HGET', keys.run(u, r.id), 'awaits')
    if awaits then
      expect(questions.standing(u, r.id, awaits) == 'open', 'parked_awaits_an_answer', r.id, awaits)
    elseif r.status == 'delayed' or r.status == 'parked' then
      expect(call('ZSCORE', keys.due(u, 'delays'), r.id), 'delayed_is_due', r.id)
    end
    if r.state then of_questions(u, r) end
    if r.status == 'offered' then
      expect(call('ZSCORE', keys.due(u, 'offers'), r.id), 'offered_is_due', r.id)
    end
    if r.status == 'running' or r.status == 'offered' then
      local held = call('HGET', keys.held(u, r.session or ''), r.id) or 'nothing '
      local fence, state = mail.in_hand(held)
      expect(fence == r.fence and state == r.status, 'running_is_held', r.id, held)
    end
    if LIVE[r.status] then
      refs[r.class] = (refs[r.class] or 0) + 1
      totals.live = totals.live + 1
      expect(not r.ended, 'only_terminal_have_ended', r.id)
    else
      totals[r.status] = totals[r.status] + 1
      expect(call('ZSCORE', keys.due(u, 'retention'), r.id), 'terminal_is_retained', r.id)
    end
    of_ring(u, r)
    expect(call('LLEN', keys.events(u, r.id)) == tonumber(r.events or 0), 'events_are_numbered', r.id)
    expect(events.count(r) > 0, 'events_are_numbered', r.id, r.status)
  end
  expect(call('SCARD', keys.at(u, 'paused')) == tonumber(u.pauses), 'paused_kinds_are_counted', u.pauses)
  expect(call('ZCARD', keys.at(u, 'questions')) == asked, 'listed_question_is_open', text(asked))
  for class, n in pairs(refs) do
    expect(tonumber(call('HGET', keys.at(u, 'refs'), class) or 0) == n, 'class_counts_its_runs', class)
  end
  for class in pairs(as_table(call('HGETALL', keys.at(u, 'refs')))) do
    expect(refs[class], 'class_ends_with_its_runs', class)
  end
  local counted = as_table(call('HGETALL', keys.at(u, 'totals')))
  local ended = 0
  for _, name in ipairs({ 'completed', 'failed', 'cancelled' }) do
    ended = ended + tonumber(counted[name] or 0)
  end
  expect(tonumber(counted.submitted or 0) - ended == totals.live, 'totals_add_up',
    (counted.submitted or '0'), text(ended), text(totals.live))
end

local function of_lines(u)
  for _, kind in ipairs(call('ZRANGE', keys.at(u, 'kinds'), 0, -1)) do
    local counted, total, queue = {}, 0, as_table(call('HGETALL', keys.queue(u, kind)))
    for _, class in ipairs(call('SMEMBERS', keys.classes(u, kind))) do
      expect(call('HEXISTS', keys.at(u, 'refs'), class) == 1
        or call('ZSCORE', keys.due(u, 'classes'), class .. ' ' .. kind), 'class_without_runs_is_due', class)
      local fitted = call('EXISTS', keys.fits(u, class)) == 1
      for band = 0, BANDS - 1 do
        local waiting, flows = 0, call('ZRANGE', keys.flows(u, class, band), 0, -1, 'WITHSCORES')
        for i = 1, #flows, 2 do
          local n = call('ZCARD', keys.flow(u, class, band, flows[i]))
          expect(n > 0, 'flow_has_runs', class, text(band), flows[i])
          counted[band .. ' ' .. flows[i]] = (counted[band .. ' ' .. flows[i]] or 0) + 1
          waiting = waiting + n
        end
        total = total + waiting
        expect(tonumber(queue[class .. ' ' .. band] or 0) == waiting, 'queue_counts_the_line', class, text(band))
        local stands = call('ZSCORE', keys.line(u, kind, band), class)
        expect((stands ~= false) == (fitted and waiting > 0), 'class_stands_when_it_fits', class, text(band))
        if stands and flows[2] then
          expect(tonumber(stands) == tonumber(flows[2]), 'class_stands_at_its_first_flow', class, text(band))
        end
      end
      for _, pool in ipairs(call('SMEMBERS', keys.pools(u, kind))) do
        local said = call('SISMEMBER', keys.fits(u, class), pool) == 1
        expect(said == (fit.fits(u, pool, class) ~= nil), 'fits_is_true', class, pool)
      end
    end
    for band = 0, BANDS - 1 do
      for flow, n in pairs(as_table(call('HGETALL', keys.waits(u, kind, band)))) do
        expect(counted[band .. ' ' .. flow] == tonumber(n), 'flows_that_wait_are_counted', kind, flow)
        counted[band .. ' ' .. flow] = nil
      end
    end
    expect(next(counted) == nil, 'flows_that_wait_are_counted', kind)
    expect(tonumber(call('ZSCORE', keys.at(u, 'kinds'), kind)) == total, 'kind_counts_its_lines', kind)
    local wfq = as_table(call('HGETALL', keys.wfq(u, kind)))
    for band = 0, BANDS - 1 do
      local backlogged = call('EXISTS', keys.line(u, kind, band)) == 1
      expect((wfq[tostring(band)] ~= nil) == backlogged, 'band_stands_while_backlogged', kind, text(band))
    end
  end
end

local function idle(u, s, pool)
  if u.now < u.hold or u.sweep or call('SISMEMBER', keys.at(u, 'unserved'), s.id) == 1 then return end
  for _, kind in ipairs(pool.kinds) do
    for band = 0, unit.paused(u, kind) and -1 or BANDS - 1 do
      for _, class in ipairs(call('ZRANGE', keys.line(u, kind, band), 0, -1)) do
        local waits = fit.fits(u, s.pool, class) and room.has(s, pool, fit.class(u, class))
        expect(not waits, 'no_run_waits_beside_room', class, s.id)
      end
    end
  end
end

local function of_session(u, s)
  local held = as_table(call('HGETALL', keys.held(u, s.id)))
  local n, stopping, offers = 0, 0, 0
  for run, value in pairs(held) do
    local fence, state = mail.in_hand(value)
    local r = unit.run(u, run)
    n = n + 1
    if state == 'stopping' then stopping = stopping + 1 end
    if state == 'offered' then offers = offers + 1 end
    if state ~= 'stopping' then
      expect(r and r.session == s.id and r.fence == fence and r.status == state,
        'held_runs_here', run, s.id)
    end
  end
  expect(s.in_flight == n, 'in_flight_counts_held', s.id, text(s.in_flight), text(n))
  expect(s.stopping == stopping, 'stopping_is_counted', s.id)
  expect(s.offers == offers, 'offers_are_counted', s.id)
  for run, value in pairs(as_table(call('HGETALL', keys.mail(u, s.id)))) do
    if run ~= '*' then
      local fence = split2(value)
      local mine = held[run]
      expect(mine and split2(mine) == fence, 'mail_is_about_what_is_held', run, s.id)
    end
  end
  local pool = fit.pool(u, s.pool)
  -- After a repair one without waits for a Hello that says it.
  expect(pool or s.state == 'cut' and s.pool == '', 'session_has_its_pool', s.id)
  if not pool then return end
  if pool.admission == 'fixed' then
    expect(n <= max(pool.max, tonumber(s.over or 0)), 'never_over_capacity', s.id, text(n), text(pool.max))
  end
  for i, mb in ipairs(pool.devices or {}) do
    local sum = 0
    for run in pairs(held) do
      local r = unit.run(u, run)
      if r and r.device and tonumber(r.device) == i - 1 then sum = sum + tonumber(r.vram or 0) end
    end
    expect(sum <= mb or s.over, 'never_over_capacity', s.id, 'device', text(i - 1))
  end
  local shown = call('ZSCORE', keys.free(u, s.pool), s.id)
  local has = room.takes_work(s) and (pool.admission == 'vram' or s.in_flight < pool.max)
  if pool.admission == 'fixed' then
    expect((shown ~= false) == has, 'free_shows_room', s.id)
    if shown then expect(floor(tonumber(shown)) == s.in_flight, 'free_shows_load', s.id) end
  end
  for _, kind in ipairs(pool.kinds) do
    local open = call('ZSCORE', keys.open(u, kind), s.pool) ~= false
    expect(open == (call('EXISTS', keys.free(u, s.pool)) == 1), 'open_shows_pools_with_room', s.pool)
    expect(call('SISMEMBER', keys.pools(u, kind), s.pool) == 1, 'pool_is_listed', s.pool)
  end
  expect(call('GET', keys.worker(u, s.worker)) == s.id, 'worker_has_one_session', s.worker)
  idle(u, s, pool)
end

function invariants.all(u)
  broken, asked = {}, 0
  of_runs(u, runs_of(u))
  of_lines(u)
  for _, sid in ipairs(call('ZRANGE', keys.due(u, 'leases'), 0, -1)) do
    local s = unit.session(u, sid)
    expect(s, 'lease_has_a_session', sid)
    expect(call('ZSCORE', keys.at(u, 'sessions'), sid), 'session_is_listed_too', sid)
    if s and sessions.live(s) then of_session(u, s) end
  end
  for _, sid in ipairs(call('ZRANGE', keys.at(u, 'sessions'), 0, -1)) do
    expect(call('ZSCORE', keys.due(u, 'leases'), sid), 'listed_session_has_a_lease', sid)
  end
  return broken
end
