-- filters: which runs and sessions a call is about, and what the feed says of an event so that
-- a hub decides the same about it.

-- True when all pairs are there; '*' stands for any value.
local function has_all(have, pairs_)
  for _, pair in ipairs(pairs_ or {}) do
    local own = have[pair[1]]
    if own == nil or (pair[2] ~= '*' and own ~= pair[2]) then return false end
  end
  return true
end

-- The pool of the worker that has the run, or had it last; nil when there is none, or when the
-- worker has gone since.
function filters.pool_of(u, r)
  local sid = r.session
  if not sid or sid == '' then
    if not r.worker then return nil end
    -- Most often the run has just been taken from that session, in this call.
    for _, s in pairs(u.sessions) do
      if s and s.worker == r.worker and s.pool then return fit.pool(u, s.pool) end
    end
    sid = call('GET', keys.worker(u, r.worker))
  end
  local s = sid and unit.session(u, sid)
  return s and s.pool and fit.pool(u, s.pool) or nil
end

local function worker_of(u, r)
  if r.status ~= 'offered' then return r.worker end
  local s = unit.session(u, r.session)
  return s and s.worker
end

-- A filter from its text; nil when it means everything.
function filters.read(json)
  if json == '' then return nil end
  local filter = decode(json)
  if filter.statuses then
    local wanted = {}
    for _, status in ipairs(filter.statuses) do wanted[status] = true end
    filter.wanted = wanted
  end
  return filter
end

-- True when the filter names the run; what costs most is asked last.
function filters.run(u, filter, r)
  if not filter then return true end
  if filter.wanted and not filter.wanted[r.status] then return false end
  if filter.workflow and r.workflow ~= filter.workflow then return false end
  if filter.kind and r.kind ~= filter.kind then return false end
  if filter.worker and worker_of(u, r) ~= filter.worker then return false end
  if filter.labels and not (r.labels and has_all(decode(r.labels), filter.labels)) then return false end
  if not filter.tags then return true end
  local pool = filters.pool_of(u, r)
  return pool ~= nil and has_all(pool.tags, filter.tags)
end

-- True when the filter names the session, whose pool this is.
function filters.session(filter, s, pool)
  if not filter then return true end
  if filter.kind and not pool.versions[filter.kind] then return false end
  if filter.workers then
    if not filter.named then
      filter.named = {}
      for _, worker in ipairs(filter.workers) do filter.named[worker] = true end
    end
    if not filter.named[s.worker] then return false end
  end
  return has_all(pool.tags, filter.tags) and has_all(pool.labels, filter.labels)
end

-- A pool's tags as the feed has them, '' for none. Made once for each pool that is cached.
local function tags_of(pool)
  if not pool then return '' end
  if not pool.told then
    pool.told = next(pool.tags) ~= nil and ',"tags":' .. cjson.encode(pool.tags) or ''
  end
  return pool.told
end

-- What an entry of the feed says of the run beside the event: members of a JSON object, only
-- those that are not plain.
function filters.about(u, r)
  local about, sid = '', r.session
  if sid and sid ~= '' then
    local s = unit.session(u, sid)
    if s then
      if not s.about then
        s.about = ',"worker":"' .. s.worker .. '"' .. tags_of(s.pool and fit.pool(u, s.pool))
      end
      about = s.about
    end
  end
  if about == '' and r.worker then
    about = ',"worker":"' .. r.worker .. '"' .. tags_of(filters.pool_of(u, r))
  end
  if r.labels then about = about .. ',"labels":' .. r.labels end
  if r.kind ~= 'workflow:' .. r.workflow then about = about .. ',"kind":"' .. r.kind .. '"' end
  return about
end
