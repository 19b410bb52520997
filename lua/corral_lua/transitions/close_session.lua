-- close_session: a stream has ended.
-- KEYS  root
-- ARGV  hub, session, stream, how, grace_ms   how: cut | goodbye | lost
-- GIVES ok | moved | gone | superseded
-- AGAIN a session that is cut already keeps its first grace; one that ended is `gone`

function transitions.close_session(u, argv)
  unit.lease_time(u)
  local s = unit.session(u, argv[2])
  local verdict = sessions.verdict(s, argv[3])
  if verdict ~= 'ok' then return { verdict } end
  if argv[4] == 'cut' then
    if s.state == 'open' then
      unit.set(s, 'state', 'cut')
      room.show(u, s)
      call('ZADD', keys.due(u, 'leases'), text(u.lease + tonumber(argv[5])), s.id)
    end
  else
    sessions.finish(u, s, argv[4], ITEMS_PER_CALL)
  end
  return { 'ok' }
end
