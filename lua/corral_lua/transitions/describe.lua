-- describe: runs as they stand. Reads only.
-- KEYS  root
-- ARGV  hub, what, runs...   what: some of i (input), o (output or error), a (attempts)
-- GIVES per run: nothing when unknown, else fields as a flat list, job, output, attempts,
--       the state in its session's hands ('' | running | stopping), the session's hub
-- AGAIN reads again

local function one(u, id, what)
  local fields = call('HGETALL', keys.run(u, id))
  if #fields == 0 then return {} end
  local run = as_table(fields)
  local hands, hub = '', ''
  if run.session and run.session ~= '' then
    local held = call('HGET', keys.held(u, run.session), id)
    if held and split2(held) == run.fence then
      local _, state = mail.in_hand(held)
      hands = state
    end
    hub = call('HGET', keys.session(u, run.session), 'hub') or ''
  end
  local attempts = {}
  if find(what, 'a', 1, true) then
    attempts = call('LRANGE', keys.attempts(u, id), 0, -1)
    if run.status == 'completed' then
      attempts[#attempts + 1] = attempt.completed(unit.complete(run))
    end
  end
  return {
    fields,
    find(what, 'i', 1, true) and call('GET', keys.job(u, id)) or '',
    find(what, 'o', 1, true) and call('GET', keys.output(u, id)) or '',
    attempts, hands, hub,
  }
end

function transitions.describe(u, argv)
  local out = {}
  for i = 3, #argv do out[#out + 1] = one(u, argv[i], argv[2]) end
  return out
end
