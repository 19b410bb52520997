-- report: all that a worker says about its runs, mixed and in the order it was said.
-- Ends attempts with their outcome, frees the room, and fills it from the lines. An
-- outcome counts by session, run and fence, whichever stream it came over.
-- KEYS  root
-- ARGV  hub, session, stream, reports...   each: word, run, fence, seq, a, b
--       word: event (a type, b JSON) | completed (a output) | failed (a error JSON)
--       | stopped | give_back (a reason JSON) | ack (a word of the mail) | claim
--       | decline (a reason JSON) | ask (a question, b JSON) | park (a question)
--       | checkpoint (b JSON) | step (a key, b JSON)
-- GIVES per report: ok | stale | unknown | already_final | refused | moved
-- AGAIN an event whose seq the session has had is `ok`; an outcome of the same session
--       and fence too; an acknowledgement finds nothing to remove

local STRIDE = 6

local function mine(r, s, fence)
  return r.session == s.id and r.fence == fence
end

local function delay_of(u, policy, r, error)
  if error.retry_after_ms and error.retry_after_ms > 0 then return error.retry_after_ms end
  local delay = min(policy[2] * policy[3] ^ (tonumber(r.failures) - 1), policy[4])
  -- The jitter comes from the fence, so that the same call decides the same.
  local part = (u.fence % 1000) / 1000
  return floor(delay * (1 - policy[5] * part))
end

local function again(r, error)
  if not r.retry or not error.retryable or r.once == '2' then return nil end
  local policy = decode(r.retry)
  if tonumber(r.failures) >= policy[1] then return nil end
  for _, kind in ipairs(policy[6]) do
    if kind == error.type then return nil end
  end
  return policy
end

local function fail(u, r, json)
  local error = decode(json)
  unit.set(r, 'failures', tonumber(r.failures or 0) + 1)
  local policy = again(r, error)
  if not policy then
    attempt.finish(u, r, 'failed', json, '{"error":' .. json .. '}')
    return
  end
  local due = text(u.now + delay_of(u, policy, r, error))
  unit.set(r, 'due', due)
  unit.set(r, 'session', '')
  unit.set(r, 'charged', '0')
  call('ZADD', keys.due(u, 'delays'), due, r.id)
  unit.count(u, 'retried')
  events.status(u, r, 'delayed', '{"reason":"retry","due_ms":' .. due .. ',"error":' .. json .. '}')
end

local function outcome(u, s, word, r, fence, a)
  if r.done == fence or r.status == 'completed' and mine(r, s, fence) then
    if r.status == 'cancelled' then attempt.unhold(u, s, r) end
    return r.status == 'cancelled' and 'already_final' or 'ok'
  end
  -- Nothing was begun of an offer that is not claimed; it goes on.
  if r.status == 'offered' and mine(r, s, fence) then return 'stale' end
  if not mine(r, s, fence) then
    unit.count(u, 'stale')
    local held = unit.hand(u, keys.held(u, s.id), r.id)
    if held and split2(held) == fence then attempt.unhold(u, s, r) end
    return 'stale'
  end
  if r.ended then
    attempt.unhold(u, s, r)
    return 'already_final'
  end
  attempt.unhold(u, s, r)
  -- Of a completed run it is plain who ended it.
  if word ~= 'completed' then unit.set(r, 'done', fence) end
  if word == 'completed' then
    attempt.finish(u, r, 'completed', a, '')
  elseif word == 'failed' then
    attempt.record(u, r, 'failed', a)
    fail(u, r, a)
  else
    attempt.record(u, r, word == 'park' and 'parked' or 'given_back', '')
    unit.set(r, 'attempt', max(0, tonumber(r.attempt) - 1))
    if word == 'park' then questions.park(u, r, a) else attempt.returned(u, r) end
  end
  return 'ok'
end

local function event(u, s, r, fence, kind, payload)
  if r.ended then return 'already_final' end
  if not mine(r, s, fence) then return 'stale' end
  mail.arrived(u, s.id, r.id, fence)
  if u.full or not events.allowed(r) then return 'refused' end
  events.add(u, r, kind, payload, fence)
  return 'ok'
end

-- What a handler asks or wants to be remembered.
local function remembered(u, s, word, r, fence, seq, a, b)
  if r.ended then return 'already_final' end
  if not mine(r, s, fence) then return 'stale' end
  mail.arrived(u, s.id, r.id, fence)
  if word == 'ask' then return questions.ask(u, s, r, a, b) end
  if u.full then return 'refused' end
  if word == 'step' then return steps.done(u, r, a, b) end
  return steps.checkpoint(u, r, fence, seq, b)
end

local function stopped(u, s, run, fence)
  local held = unit.hand(u, keys.held(u, s.id), run)
  if not held or split2(held) ~= fence then return 'ok' end
  local _, state = mail.in_hand(held)
  local r = unit.run(u, run)
  attempt.unhold(u, s, run)
  -- Stopped without having been told to, as far as the store knows: it goes back.
  if r and r.status == 'offered' and mine(r, s, fence) then
    attempt.back(u, r, 'stopped')
  elseif state == 'running' and r and r.status == 'running' and mine(r, s, fence) then
    unit.set(r, 'done', fence)
    attempt.record(u, r, 'given_back', '')
    if not attempt.given_up(u, r, 'the worker stopped the run') then attempt.back(u, r, 'stopped') end
  end
  return 'ok'
end

-- The answer to an offer. A run that was offered and then cancelled is told to stop.
local function answered(u, s, word, r, fence, reason)
  if not mine(r, s, fence) then return 'stale' end
  mail.acknowledge(u, s.id, r.id, fence, 'offer')
  if r.status ~= 'offered' then return r.ended and 'already_final' or 'ok' end
  if word == 'claim' then
    attempt.claim(u, r, s)
  else
    attempt.declined(u, r, s, reason)
  end
  return 'ok'
end

local function take(u, s, moved, word, run, fence, seq, a, b)
  if word == 'ack' then
    if moved then return 'moved' end
    mail.acknowledge(u, s.id, run, fence, a)
    return 'ok'
  end
  if word == 'stopped' then return stopped(u, s, run, fence) end
  local r = unit.run(u, run)
  if not r then return 'unknown' end
  if word == 'claim' or word == 'decline' then return answered(u, s, word, r, fence, a) end
  if word == 'event' then
    if seq > 0 and seq <= tonumber(s.seq or 0) then return 'ok' end
    return event(u, s, r, fence, a, b)
  end
  if word == 'ask' or word == 'step' or word == 'checkpoint' then
    return remembered(u, s, word, r, fence, seq, a, b)
  end
  return outcome(u, s, word, r, fence, a)
end

function transitions.report(u, argv)
  local verdicts, s = {}, unit.session(u, argv[2])
  if not s then
    for i = 4, #argv, STRIDE do verdicts[#verdicts + 1] = 'stale' end
    return verdicts
  end
  -- What comes of one run in a row is looked up once.
  local runs, acked = {}, {}
  for i = 4, #argv, STRIDE do
    if argv[i + 1] ~= runs[#runs] then runs[#runs + 1] = argv[i + 1] end
    if argv[i] == 'ack' then acked[#acked + 1] = argv[i + 1] end
  end
  mail.prefetch(u, s.id, runs, acked)
  local moved, highest = argv[3] ~= s.stream, tonumber(s.seq or 0)
  for i = 4, #argv, STRIDE do
    local seq = tonumber(argv[i + 3])
    verdicts[#verdicts + 1] = take(u, s, moved, argv[i], argv[i + 1], argv[i + 2], seq,
      argv[i + 4], argv[i + 5])
    highest = max(highest, seq)
  end
  if highest > tonumber(s.seq or 0) then unit.set(s, 'seq', text(highest)) end
  line.serve(u, s)
  retention.trim(u, TRIMS_PER_SUBMIT)
  return verdicts
end
