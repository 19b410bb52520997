-- steps: what a run remembers from one attempt to the next. Its latest checkpoint, the
-- results of its steps, and the answers to its questions, bounded together.

local STATE_BYTES = 524288
local STEPS_PER_RUN = 256

-- Counts `by` more bytes of the run's state; false, and nothing changed, beyond the bound.
function steps.grow(r, by)
  local bytes = tonumber(r.state or 0) + by
  if bytes > STATE_BYTES then return false end
  unit.set(r, 'state', max(0, bytes))
  return true
end

-- The latest checkpoint counts. One that an older stream brings late is known by its number.
function steps.checkpoint(u, r, fence, seq, json)
  local key = keys.checkpoint(u, r.id)
  local kept = call('GET', key)
  if kept then
    local by, rest = split2(kept)
    local last, old = split2(rest)
    if by == fence and tonumber(last) >= seq then return 'ok' end
    if not steps.grow(r, #json - #old) then return 'refused' end
  elseif not steps.grow(r, #json) then
    return 'refused'
  end
  call('SET', key, fence .. ' ' .. text(seq) .. ' ' .. json)
  return 'ok'
end

-- The first result of a step counts.
function steps.done(u, r, step, json)
  local key = keys.steps(u, r.id)
  if call('HEXISTS', key, step) == 1 then return 'ok' end
  if call('HLEN', key) >= STEPS_PER_RUN or not steps.grow(r, #step + #json) then return 'refused' end
  call('HSET', key, step, json)
  return 'ok'
end

-- All of it as JSON, for the worker that begins the next attempt.
function steps.told(u, r)
  if not r.state then return '' end
  local out, kept = {}, call('GET', keys.checkpoint(u, r.id))
  if kept then
    local _, rest = split2(kept)
    local _, json = split2(rest)
    out[#out + 1] = '"checkpoint":' .. json
  end
  local results = {}
  for step, json in pairs(as_table(call('HGETALL', keys.steps(u, r.id)))) do
    results[#results + 1] = '"' .. step .. '":' .. json
  end
  out[#out + 1] = '"steps":{' .. concat(results, ',') .. '}'
  out[#out + 1] = '"answers":' .. questions.answers(u, r.id)
  return '{' .. concat(out, ',') .. '}'
end

-- The run has ended. Who completed needs no state any more; another may be tried again, and
-- goes on from what it has.
function steps.finish(u, r, status)
  questions.finish(u, r)
  if status == 'completed' then call('DEL', keys.checkpoint(u, r.id), keys.steps(u, r.id)) end
end
