-- pruning: the part of a repair in which what belongs to nobody leaves the indexes.

local function loaded(s, model)
  for name in gmatch(s.models or '', '[^,]+') do
    if name == model then return true end
  end
  return false
end

-- Pools by id, and models that their sessions have loaded ('' for the pool itself): sessions
-- that are not of the pool leave its indexes, and a pool without sessions ends.
function pruning.pools(u, items)
  for _, item in ipairs(items) do
    local id, model = item[1], item[2]
    local function keep(sid)
      local s = unit.session(u, sid)
      return s and sessions.live(s) and s.pool == id and (model == '' or loaded(s, model))
    end
    local shown = model == '' and keys.free(u, id) or keys.warm(u, id, model)
    for _, sid in ipairs(call('ZRANGE', shown, 0, -1)) do
      if not keep(sid) then call('ZREM', shown, sid) end
    end
    if model == '' then
      local members = keys.members(u, id)
      for _, sid in ipairs(call('SMEMBERS', members)) do
        if not keep(sid) then call('SREM', members, sid) end
      end
      if call('EXISTS', members) == 0 then call('DEL', keys.pool(u, id)) end
    end
  end
  return {}
end

local function of_run(u, member, test)
  local r = unit.run(u, member)
  return r and test(r)
end

local function open_question(u, member)
  if not find(member, ' ', 1, true) then return false end
  local run, request = split2(member)
  local r = unit.run(u, run)
  return r and not r.ended and questions.standing(u, run, request) == 'open'
end

-- Which members an index keeps.
local KEEPS = {
  ['runs'] = function(u, m) return unit.run(u, m) end,
  ['runs:failed'] = function(u, m)
    return of_run(u, m, function(r) return r.status == 'failed' end)
  end,
  ['due:retention'] = function(u, m) return of_run(u, m, function(r) return r.ended end) end,
  ['due:deadlines'] = function(u, m) return of_run(u, m, function(r) return not r.ended end) end,
  ['due:offers'] = function(u, m)
    return of_run(u, m, function(r) return r.status == 'offered' end)
  end,
  ['due:rings'] = function(u, m) return of_run(u, m, function(r) return r.ended and r.ring end) end,
  ['due:delays'] = function(u, m)
    return of_run(u, m, function(r)
      return r.status == 'delayed' or r.status == 'parked' and not r.awaits
    end)
  end,
  ['questions'] = open_question,
  ['due:questions'] = open_question,
  ['sessions'] = function(u, m) return sessions.live(unit.session(u, m)) end,
  ['due:leases'] = function(u, m) return unit.session(u, m) end,
  ['due:tombstones'] = function(u, m)
    local s = unit.session(u, m)
    return s and not sessions.live(s)
  end,
  -- A repair has ended the classes that have no runs.
  ['due:classes'] = function(u, m)
    return find(m, ' ', 1, true) and call('EXISTS', keys.class(u, (split2(m)))) == 1
  end,
}

-- Indexes by name, from a rank on: what does not belong there leaves. Gives where to go on,
-- '' at the end.
function pruning.indexes(u, items)
  local out, budget = {}, ITEMS_PER_CALL
  for i, item in ipairs(items) do
    local key, start, removed = keys.at(u, item[1]), tonumber(item[2]), 0
    local page = budget > 0 and call('ZRANGE', key, start, start + budget - 1) or {}
    for _, member in ipairs(page) do
      if not KEEPS[item[1]](u, member) then
        call('ZREM', key, member)
        removed = removed + 1
      end
    end
    out[i] = #page < budget and '' or text(start + #page - removed)
    budget = budget - #page
  end
  return out
end
