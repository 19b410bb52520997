-- resident: the models that a session has loaded have changed.
-- KEYS  root
-- ARGV  hub, session, stream, models (names, comma separated)
-- GIVES ok | moved | gone | superseded
-- AGAIN the latest word counts

function transitions.resident(u, argv)
  local s = unit.session(u, argv[2])
  local verdict = sessions.verdict(s, argv[3])
  if verdict ~= 'ok' then return { verdict } end
  for model in gmatch(s.models or '', '[^,]+') do
    call('ZREM', keys.warm(u, s.pool, model), s.id)
  end
  unit.set(s, 'models', argv[4])
  room.show(u, s)
  return { 'ok' }
end
