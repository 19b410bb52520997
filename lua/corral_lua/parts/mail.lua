-- mail: what a session must be told about its runs.
-- Kept until the worker acknowledges it; a newer word about a run replaces the older.
-- Words for sessions of the calling hub go back with the reply; other hubs find theirs
-- in `news`, and a hint on pub/sub only makes them look sooner.
-- An assignment that goes back with the reply has no word of its own: that the session holds the
-- run as `assigned`, not yet as `running`, says that it is still to be acknowledged.

-- Jobs that are read before it is known how many letters the reply has room for.
local LETTERS_READ = 256
local LETTERS_PER_REPLY = 1024

-- What a session has of a run: the fence, the state (running, offered, stopping), and whether an
-- assignment is still to be acknowledged.
function mail.in_hand(value)
  local fence, state = split2(value)
  if state == 'assigned' then return fence, 'running', true end
  return fence, state, false
end

-- False when no word is kept for the session; asked once per call.
local function some(u, sid)
  if u.worded[sid] == nil then u.worded[sid] = call('EXISTS', keys.mail(u, sid)) == 1 end
  return u.worded[sid]
end

local function keep(u, sid, run, fence, word)
  unit.set_hand(u, keys.mail(u, sid), run, fence .. ' ' .. word)
  u.worded[sid] = true
end

local function kept(u, sid, run)
  return some(u, sid) and unit.hand(u, keys.mail(u, sid), run)
end

-- The session holds the run from here on, and is told of it.
function mail.assign(u, s, run, fence)
  if s.hub == u.hub then
    unit.set_hand(u, keys.held(u, s.id), run, fence .. ' assigned')
    u.mail[#u.mail + 1] = { s, run, fence, 'run', true }
  else
    unit.set_hand(u, keys.held(u, s.id), run, fence .. ' running')
    mail.send(u, s, run, fence, 'run')
  end
end

function mail.send(u, s, run, fence, word)
  keep(u, s.id, run, fence, word)
  if s.hub == u.hub then
    u.mail[#u.mail + 1] = { s, run, fence, word }
  else
    mail.wake(u, s, run)
  end
end

-- True while the session is still to show that it has heard of the assignment.
function mail.unheard(u, sid, run, fence)
  return unit.hand(u, keys.held(u, sid), run) == fence .. ' assigned' or kept(u, sid, run) == fence .. ' run'
end

local function heard(u, sid, run, fence)
  local key = keys.held(u, sid)
  if unit.hand(u, key, run) == fence .. ' assigned' then unit.set_hand(u, key, run, fence .. ' running') end
end

-- Removes a word when it is still the one that was acknowledged.
function mail.acknowledge(u, sid, run, fence, word)
  if word == 'run' then heard(u, sid, run, fence) end
  if kept(u, sid, run) == fence .. ' ' .. word then unit.set_hand(u, keys.mail(u, sid), run, false) end
end

-- Reads what reports are about at once: what is held of their runs, and the words that are
-- acknowledged.
function mail.prefetch(u, sid, runs, acked)
  unit.prefetch(u, keys.held(u, sid), runs)
  if #acked > 0 and some(u, sid) then unit.prefetch(u, keys.mail(u, sid), acked) end
end

-- A report about a run says that the assignment has arrived.
function mail.arrived(u, sid, run, fence)
  mail.acknowledge(u, sid, run, fence, 'run')
end

function mail.drop(u, sid, run)
  if some(u, sid) then unit.set_hand(u, keys.mail(u, sid), run, false) end
end

-- A worker that comes back holds a run: it has heard all about it but perhaps an answer.
function mail.resume(u, s, run, fence)
  heard(u, s.id, run, fence)
  local value = kept(u, s.id, run)
  if not value then return end
  local _, word = split2(value)
  if sub(word, 1, 7) == 'answer:' then mail.send(u, s, run, fence, word) else mail.drop(u, s.id, run) end
end

-- One letter as it goes to a hub: all that a worker needs to begin or to stop.
function mail.letter(u, s, run, fence, word)
  if run == '*' then
    return { s.id, s.stream, run, fence, word, '0', '0', '-1', '0', u.now_text, '', '', '' }, 0
  end
  local r = unit.run(u, run)
  if not r then return nil end
  local begins = word == 'run' or word == 'offer'
  local job, told = begins and (r.job or call('GET', keys.job(u, run))) or '', ''
  if begins then
    told = steps.told(u, r)
  elseif word ~= 'stop' then
    told = '{"answers":' .. questions.answers(u, run) .. '}'
  end
  return { s.id, s.stream, run, fence, word, r.attempt or '0', r.version or '0',
    r.device or '-1', r.deadline or '0', u.now_text, r.reason or '', job, told }, #job + #told
end

-- Reads the jobs of all runs that begin, at once; those that were just submitted are known.
local function read_jobs(u)
  local runs, wanted = {}, {}
  for i = 1, min(#u.mail, LETTERS_READ) do
    local run, word = u.mail[i][2], u.mail[i][4]
    local r = (word == 'run' or word == 'offer') and unit.run(u, run)
    if r and not r.job then
      runs[#runs + 1] = r
      wanted[#wanted + 1] = keys.job(u, run)
    end
  end
  if #wanted < 2 then return end
  for i, job in ipairs(call('MGET', unpack(wanted))) do runs[i].job = job end
end

-- True for an assignment of this call that was taken back in it.
local function taken_back(u, m)
  return m[5] and unit.hand(u, keys.held(u, m[1].id), m[2]) ~= m[3] .. ' assigned'
end

-- The letters of this call for the calling hub, as MessagePack, '' for none. Beyond the bounds
-- the rest is left to `news`, so that no reply grows without a limit, nor what a hub has queued
-- for one session.
function mail.letters(u)
  if #u.mail == 0 then return '' end
  local out, bytes = {}, 0
  read_jobs(u)
  for _, m in ipairs(u.mail) do
    local s, run, fence, word = m[1], m[2], m[3], m[4]
    if taken_back(u, m) then
      -- What came after says it all.
    elseif bytes < MAIL_BYTES_PER_REPLY and #out < LETTERS_PER_REPLY then
      local letter, size = mail.letter(u, s, run, fence, word)
      if letter then
        out[#out + 1] = letter
        bytes = bytes + size
      end
    else
      -- The news lead to words, so an assignment needs one now.
      if word == 'run' then keep(u, s.id, run, fence, word) end
      mail.wake(u, s, run)
    end
  end
  return pack(out)
end

-- The words about some runs of a session as they stand, where there still is one.
function mail.again(u, s, runs)
  if not some(u, s.id) then return end
  unit.prefetch(u, keys.mail(u, s.id), runs)
  for _, run in ipairs(runs) do
    local value = kept(u, s.id, run)
    if value then
      local fence, word = split2(value)
      u.mail[#u.mail + 1] = { s, run, fence, word }
    end
  end
end

-- Gathers the words for a session, and the assignments that went with a reply, which may have been
-- lost. Gives how much it has read.
function mail.gather(u, s)
  local words, read = unit.whole_hand(u, keys.mail(u, s.id)), 0
  for run, value in pairs(unit.whole_hand(u, keys.held(u, s.id))) do
    read = read + 1
    local fence, _, assigned = mail.in_hand(value)
    if assigned and words[run] ~= fence .. ' run' then u.mail[#u.mail + 1] = { s, run, fence, 'run' } end
  end
  for run, value in pairs(words) do
    read = read + 1
    local fence, word = split2(value)
    u.mail[#u.mail + 1] = { s, run, fence, word }
  end
  return read
end

-- Tells a hub to look at a session: at its word about the run, or, with '', whether it has ended.
function mail.wake(u, s, run)
  local news = u.wakes[s.hub]
  if not news then news = {}; u.wakes[s.hub] = news end
  news[#news + 1] = s.id .. ' ' .. run
end

function mail.hint(u)
  for hub, news in pairs(u.wakes) do
    unit.sliced(news, function(...) call('RPUSH', keys.news(u, hub), ...) end)
    pcall_redis('PUBLISH', u.root .. 'hints:' .. hub, 'mail')
  end
end
