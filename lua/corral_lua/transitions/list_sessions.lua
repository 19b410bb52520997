-- list_sessions: a page of live sessions, by when their lease ends. Reads only.
-- KEYS  root
-- ARGV  hub, kind ('' all), limit, skip
-- GIVES per session: id, fields as a flat list, its pool as JSON; then where to go on,
--       '' at the end
-- AGAIN reads again

function transitions.list_sessions(u, argv)
  local out, skip, limit = {}, tonumber(argv[4]), tonumber(argv[3])
  local ids = call('ZRANGE', keys.due(u, 'leases'), skip, skip + ITEMS_PER_CALL - 1)
  for i, sid in ipairs(ids) do
    local fields = call('HGETALL', keys.session(u, sid))
    local s = as_table(fields)
    if sessions.live(s) and s.pool then
      local pool = fit.pool(u, s.pool)
      if pool and (argv[2] == '' or pool.versions[argv[2]]) then
        out[#out + 1] = { sid, fields, call('GET', keys.pool(u, s.pool)) }
      end
    end
    if #out >= limit then return out, { i < #ids and text(skip + i) or '' } end
  end
  return out, { #ids == ITEMS_PER_CALL and text(skip + ITEMS_PER_CALL) or '' }
end
