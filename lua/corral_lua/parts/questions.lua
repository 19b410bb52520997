-- questions: what runs ask of people, and what they are told.
-- `inputs:<run>` has the question under its id, and beside it `<id> answer` or `<id> lapsed`.
-- An open question of a live run also stands in `questions`, and in `due:questions` when it
-- lapses by itself.

local QUESTIONS_PER_RUN = 64

local function entry(run, request) return run .. ' ' .. request end

-- Answers, and questions that lapsed, as JSON: id -> answer, in text that is put together.
function questions.answers(u, run)
  local answers, lapsed = {}, {}
  for field, value in pairs(as_table(call('HGETALL', keys.inputs(u, run)))) do
    local at = find(field, ' ', 1, true)
    local what = at and sub(field, at + 1)
    if what == 'answer' then answers[#answers + 1] = '"' .. sub(field, 1, at - 1) .. '":' .. value end
    if what == 'lapsed' then lapsed[#lapsed + 1] = '"' .. sub(field, 1, at - 1) .. '"' end
  end
  return '{' .. concat(answers, ',') .. '},"lapsed":[' .. concat(lapsed, ',') .. ']'
end

-- Open, answered, lapsed, or nil for what was never asked; then the answer.
function questions.standing(u, run, request)
  local key = keys.inputs(u, run)
  local kept = call('HMGET', key, request, request .. ' answer', request .. ' lapsed')
  if kept[2] then return 'answered', kept[2] end
  if kept[3] then return 'lapsed' end
  return kept[1] and 'open' or nil
end

-- The word names how many are settled, so that the next answer is another word. Who has not
-- shown yet that the run has arrived has asked nothing yet either, and is told when it asks:
-- until then the word that begins the run must not be replaced.
local function tell(u, s, r)
  if mail.unheard(u, s.id, r.id, r.fence) then return end
  local settled = 0
  for _, field in ipairs(call('HKEYS', keys.inputs(u, r.id))) do
    if find(field, ' ', 1, true) then settled = settled + 1 end
  end
  mail.send(u, s, r.id, r.fence, 'answer:' .. settled)
end

local function settle(u, r, request, event)
  call('ZREM', keys.at(u, 'questions'), entry(r.id, request))
  call('ZREM', keys.due(u, 'questions'), entry(r.id, request))
  unit.count(u, event)
  events.add(u, r, 'input.' .. event, '{"request_id":"' .. request .. '"}')
  local s = r.status == 'running' and unit.session(u, r.session)
  if s then tell(u, s, r) end
  if r.status == 'parked' and call('HGET', keys.run(u, r.id), 'awaits') == request then
    call('HDEL', keys.run(u, r.id), 'awaits')
    attempt.back(u, r, event)
  end
end

-- How many questions there are, answered ones included.
local function asked(key)
  local n = 0
  for _, field in ipairs(call('HKEYS', key)) do
    if not find(field, ' ', 1, true) then n = n + 1 end
  end
  return n
end

-- A handler asks. `json` is what the event says: request_id, prompt, metadata, and where
-- given schema and timeout_ms. Asked again it is the same question.
function questions.ask(u, s, r, request, json)
  local standing = questions.standing(u, r.id, request)
  if standing == 'open' then return 'ok' end
  if standing then
    tell(u, s, r)
    return 'ok'
  end
  local key = keys.inputs(u, r.id)
  if u.full or asked(key) >= QUESTIONS_PER_RUN then return 'refused' end
  if not steps.grow(r, #request + #json) then return 'refused' end
  call('HSET', key, request, json)
  call('ZADD', keys.at(u, 'questions'), text(u.now), entry(r.id, request))
  local timeout = decode(json).timeout_ms
  if timeout then call('ZADD', keys.due(u, 'questions'), text(u.now + timeout), entry(r.id, request)) end
  unit.count(u, 'asked')
  events.add(u, r, 'input.request', json, r.fence)
  return 'ok'
end

-- The handler has stopped to wait without holding room; its attempt was none.
function questions.park(u, r, request)
  local standing = questions.standing(u, r.id, request)
  if not standing then
    attempt.returned(u, r)
  elseif standing ~= 'open' then
    attempt.back(u, r, standing)
  else
    unit.set(r, 'session', '')
    unit.set(r, 'awaits', request)
    events.status(u, r, 'parked', '{"reason":"input","request_id":"' .. request .. '"}')
  end
end

-- Somebody answers.
function questions.answer(u, r, request, json)
  local standing, was = questions.standing(u, r.id, request)
  if not standing then return r.ended and 'ended' or 'unasked' end
  if standing == 'answered' then return was == json and 'same' or 'conflict' end
  if standing == 'lapsed' then return 'lapsed' end
  if r.ended then return 'ended' end
  if not steps.grow(r, #json) then return 'too_large' end
  call('HSET', keys.inputs(u, r.id), request .. ' answer', json)
  settle(u, r, request, 'answered')
  return 'ok'
end

-- Questions whose time has run out.
function questions.lapse(u, limit)
  local due = keys.due(u, 'questions')
  local late = call('ZRANGE', due, '-inf', text(u.now), 'BYSCORE', 'LIMIT', 0, limit)
  for _, member in ipairs(late) do
    local run, request = split2(member)
    local r = unit.run(u, run)
    if r and not r.ended and questions.standing(u, run, request) == 'open' then
      call('HSET', keys.inputs(u, run), request .. ' lapsed', '1')
      settle(u, r, request, 'lapsed')
    else
      call('ZREM', due, member)
    end
  end
  return #late
end

-- The run has ended: nobody is asked any more. Answers stay, so that who gave one may say it
-- again; what was not answered is asked anew should the run be tried again.
function questions.finish(u, r)
  local key = keys.inputs(u, r.id)
  for _, field in ipairs(call('HKEYS', key)) do
    if not find(field, ' ', 1, true) and call('HEXISTS', key, field .. ' answer') == 0 then
      call('HDEL', key, field, field .. ' lapsed')
      call('ZREM', keys.at(u, 'questions'), entry(r.id, field))
      call('ZREM', keys.due(u, 'questions'), entry(r.id, field))
    end
  end
  call('HDEL', keys.run(u, r.id), 'awaits')
end
