-- mail: what a session must be told about its runs.
-- Kept until the worker acknowledges it; a newer word about a run replaces the older.
-- Words for sessions of the calling hub go back with the reply; other hubs find theirs
-- in `news`, and a hint on pub/sub only makes them look sooner.

-- Jobs that are read before it is known how many letters the reply has room for.
local LETTERS_READ = 256
local LETTERS_PER_REPLY = 1024

function mail.send(u, s, run, fence, word)
  unit.set_hand(u, keys.mail(u, s.id), run, fence .. ' ' .. word)
  if s.hub == u.hub then
    u.mail[#u.mail + 1] = { s, run, fence, word }
  else
    u.wakes[s.hub] = u.wakes[s.hub] or {}
    u.wakes[s.hub][s.id] = true
  end
end

-- Removes a word when it is still the one that was acknowledged.
function mail.acknowledge(u, sid, run, fence, word)
  local key = keys.mail(u, sid)
  if unit.hand(u, key, run) == fence .. ' ' .. word then unit.set_hand(u, key, run, false) end
end

-- A report about a run says that the assignment has arrived.
function mail.arrived(u, sid, run, fence)
  mail.acknowledge(u, sid, run, fence, 'run')
end

function mail.drop(u, sid, run)
  unit.set_hand(u, keys.mail(u, sid), run, false)
end

-- A worker that comes back holds a run: it has heard all about it but perhaps an answer.
function mail.resume(u, s, run)
  local value = unit.hand(u, keys.mail(u, s.id), run)
  if not value then return end
  local fence, word = split2(value)
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

-- The letters of this call for the calling hub, as MessagePack, '' for none. Beyond the bounds
-- the rest is left to `news`, so that no reply grows without a limit, nor what a hub has queued
-- for one session.
function mail.letters(u)
  if #u.mail == 0 then return '' end
  local out, bytes = {}, 0
  read_jobs(u)
  for _, m in ipairs(u.mail) do
    local s, run, fence, word = m[1], m[2], m[3], m[4]
    if bytes < MAIL_BYTES_PER_REPLY and #out < LETTERS_PER_REPLY then
      local letter, size = mail.letter(u, s, run, fence, word)
      if letter then
        out[#out + 1] = letter
        bytes = bytes + size
      end
    else
      u.wakes[s.hub] = u.wakes[s.hub] or {}
      u.wakes[s.hub][s.id] = true
    end
  end
  return pack(out)
end

-- Tells a hub to look at a session, for mail or because it has ended.
function mail.wake(u, s)
  u.wakes[s.hub] = u.wakes[s.hub] or {}
  u.wakes[s.hub][s.id] = true
end

function mail.hint(u)
  for hub, sids in pairs(u.wakes) do
    for sid in pairs(sids) do call('SADD', keys.news(u, hub), sid) end
    pcall_redis('PUBLISH', u.root .. 'hints:' .. hub, 'mail')
  end
end
