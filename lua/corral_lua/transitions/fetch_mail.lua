-- fetch_mail: what the sessions of a hub must be told. Reading removes nothing; only the
-- worker's acknowledgement does.
-- KEYS  root
-- ARGV  hub, sessions...   each: session, stream; none: those in the hub's news
-- GIVES per session: session, ok | moved | gone | superseded | later (not looked at, as others
--       hold so much: ask again); letters go with the mail
-- AGAIN the same letters

local SESSIONS_PER_CALL = 64
local READ_PER_CALL = 2000

function transitions.fetch_mail(u, argv)
  local wanted, verdicts, read = {}, {}, 0
  for i = 2, #argv, 2 do wanted[#wanted + 1] = { argv[i], argv[i + 1] } end
  if #wanted == 0 then
    local news = keys.news(u, argv[1])
    -- In turns, as who has more mail than a reply takes stands in the news again.
    local sids, turn = call('SMEMBERS', news), unit.next_turn(u)
    for i = 1, min(#sids, SESSIONS_PER_CALL) do
      local sid = sids[(turn + i) % #sids + 1]
      call('SREM', news, sid)
      wanted[#wanted + 1] = { sid, nil }
    end
  end
  for _, pair in ipairs(wanted) do
    local s = unit.session(u, pair[1])
    local verdict = sessions.verdict(s, pair[2] or (s and s.stream))
    if verdict == 'ok' and s.hub ~= u.hub then verdict = 'moved' end
    if verdict == 'ok' and pair[2] and read >= READ_PER_CALL then verdict = 'later' end
    if verdict == 'ok' then read = read + mail.gather(u, s, pair[2] ~= nil) end
    verdicts[#verdicts + 1] = { pair[1], verdict }
  end
  return verdicts
end
