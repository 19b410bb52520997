-- list_sessions: a page of live sessions, by id. Reads only.
-- KEYS  root
-- ARGV  hub, filter, limit, after   filter: JSON, '' for all; after: the last session of the
--       page before, '' for the first
-- GIVES per session: id, fields as a flat list, its pool as JSON; then where to go on,
--       '' at the end
-- AGAIN reads again

function transitions.list_sessions(u, argv)
  local out, limit, filter = {}, tonumber(argv[3]), filters.read(argv[2])
  local from = argv[4] == '' and '-' or '(' .. argv[4]
  local ids = call('ZRANGE', keys.at(u, 'sessions'), from, '+', 'BYLEX', 'LIMIT', 0, ITEMS_PER_CALL)
  for i, sid in ipairs(ids) do
    local fields = call('HGETALL', keys.session(u, sid))
    local s = as_table(fields)
    if sessions.live(s) and s.pool then
      local pool = fit.pool(u, s.pool)
      if pool and filters.session(filter, s, pool) then
        out[#out + 1] = { sid, fields, call('GET', keys.pool(u, s.pool)) }
      end
    end
    if #out >= limit then return out, { i < #ids and sid or '' } end
  end
  return out, { #ids == ITEMS_PER_CALL and ids[#ids] or '' }
end
