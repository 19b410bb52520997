-- rate: how many runs a namespace may submit per second, over all hubs: a token bucket by
-- the store's clock. `rate` in meta is `<per second> <burst>`, `bucket` is `<tokens> <when>`;
-- without a rate nothing is read.

local function bucket(u)
  if u.bucket then return u.bucket end
  local per_second, burst = split2(u.rate)
  local b = { per_ms = tonumber(per_second) / 1000, tokens = tonumber(burst) }
  local kept = call('HGET', keys.at(u, 'meta'), 'bucket')
  if kept then
    local tokens, at = split2(kept)
    b.tokens = min(b.tokens, tonumber(tokens) + (u.now - tonumber(at)) * b.per_ms)
  end
  u.bucket = b
  return b
end

-- Takes a token; gives 0, or in how many milliseconds there will be one.
function rate.take(u)
  if not u.rate then return 0 end
  local b = bucket(u)
  if b.tokens < 1 then return math.ceil((1 - b.tokens) / b.per_ms) end
  b.tokens = b.tokens - 1
  u.meta.bucket = text(b.tokens) .. ' ' .. u.now_text
  return 0
end
