-- drain: no new work for a worker.
-- KEYS  root
-- ARGV  hub, worker, how   how: drain (finish what runs) | drain_now (give it back)
-- GIVES ok | unknown; then the runs in flight
-- AGAIN the same word to the worker once more

function transitions.drain(u, argv)
  local sid = call('GET', keys.worker(u, argv[2]))
  local s = sid and unit.session(u, sid)
  if not s or not sessions.live(s) then return { 'unknown', '0' } end
  unit.set(s, 'draining', '1')
  room.show(u, s)
  if argv[3] ~= 'quiet' then mail.send(u, s, '*', '0', argv[3]) end
  return { 'ok', text(s.in_flight) }
end
