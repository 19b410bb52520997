-- fetch_mail: what the sessions of a hub must be told. Reading removes nothing but the news; a
-- word stays until the worker acknowledges it.
-- KEYS  root
-- ARGV  hub, sessions...   each: session, stream; none: the hub's news
-- GIVES per session: session, ok | moved | gone | superseded | later (not looked at, as others
--       hold so much: ask again); then how many news are left; letters go with the mail
-- AGAIN the same letters; for the news: the next ones

local NEWS_PER_CALL = 256
local READ_PER_CALL = 2000

-- The next news: runs by session, and the sessions in the order in which they come.
local function entries(key)
  local runs, sids = {}, {}
  for _, entry in ipairs(call('LPOP', key, NEWS_PER_CALL) or {}) do
    local sid, run = split2(entry)
    if not runs[sid] then runs[sid], sids[#sids + 1] = {}, sid end
    if run ~= '' then table.insert(runs[sid], run) end
  end
  return runs, sids
end

-- The verdict on a session that is to be this hub's.
local function verdict_of(u, s, stream)
  local verdict = sessions.verdict(s, stream)
  return verdict == 'ok' and s.hub ~= u.hub and 'moved' or verdict
end

-- What is new, and nothing that was fetched before: until it is acknowledged, a word that has gone
-- out would be read, packed and sent with each look.
local function news(u)
  local key, verdicts = keys.news(u, u.hub), {}
  local runs, sids = entries(key)
  for i, sid in ipairs(sids) do
    local s = unit.session(u, sid)
    local verdict = verdict_of(u, s, s and s.stream)
    if verdict == 'ok' then mail.again(u, s, runs[sid]) end
    verdicts[i] = { sid, verdict }
  end
  return verdicts, { text(call('LLEN', key)) }
end

function transitions.fetch_mail(u, argv)
  if #argv == 1 then return news(u) end
  local verdicts, read = {}, 0
  for i = 2, #argv, 2 do
    local s = unit.session(u, argv[i])
    local verdict = verdict_of(u, s, argv[i + 1])
    if verdict == 'ok' and read >= READ_PER_CALL then verdict = 'later' end
    if verdict == 'ok' then read = read + mail.gather(u, s) end
    verdicts[#verdicts + 1] = { argv[i], verdict }
  end
  return verdicts, { '0' }
end
