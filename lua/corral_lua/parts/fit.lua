-- fit: does a pool fit a class, and how well.
-- Both ids are digests of what they stand for, so the answer never changes and may be
-- cached in an upvalue; the caches are bounded and cost no key.

-- Pools, and classes: enough for 10,000 workers that all differ. A pool takes some 1.5 KB.
local CACHED_TEXTS = 16384
local CACHED_FITS = 200000
local pool_cache, pool_count = {}, 0
local class_cache, class_count = {}, 0
local fit_cache, fit_count = {}, 0

function fit.pool(u, id)
  local pool = pool_cache[id]
  if pool then return pool end
  local json = call('GET', keys.pool(u, id))
  if not json then return nil end
  pool = decode(json)
  pool.id = id
  pool.kinds, pool.versions = {}, {}
  for _, capability in ipairs(pool.capabilities) do
    local versions = pool.versions[capability[1]]
    if not versions then
      versions = {}
      pool.versions[capability[1]] = versions
      pool.kinds[#pool.kinds + 1] = capability[1]
    end
    versions[#versions + 1] = capability[2]
  end
  pool.biggest = 0
  for _, mb in ipairs(pool.devices or {}) do pool.biggest = max(pool.biggest, mb) end
  if pool_count >= CACHED_TEXTS then pool_cache, pool_count = {}, 0 end
  pool_cache[id], pool_count = pool, pool_count + 1
  return pool
end

function fit.class(u, id)
  local class = class_cache[id]
  if class then return class end
  local json = call('GET', keys.class(u, id))
  if not json then return nil end
  class = decode(json)
  class.id = id
  if class_count >= CACHED_TEXTS then class_cache, class_count = {}, 0 end
  class_cache[id], class_count = class, class_count + 1
  return class
end

local function holds(have, key, value)
  local own = have[key]
  return own ~= nil and (value == '*' or own == value)
end

local function version_of(pool, class)
  local best
  for _, version in ipairs(pool.versions[class.kind] or {}) do
    if class.version == 0 then
      if not best or version > best then best = version end
    elseif version == class.version then
      return version
    end
  end
  return best
end

local function tolerated(class, taint)
  for _, t in ipairs(class.tolerations) do
    if t[1] == taint[1] and (t[2] == '' or t[2] == taint[2]) and (t[3] == '' or t[3] == taint[3]) then
      return true
    end
  end
  return false
end

local function judge(pool, class)
  local version = version_of(pool, class)
  if not version then return { stage = 'capability' } end
  for _, tag in ipairs(class.tags) do
    if not holds(pool.tags, tag[1], tag[2]) then return { stage = 'tags' } end
  end
  for key, value in pairs(class.required) do
    if not holds(pool.labels, key, value) then return { stage = 'selector' } end
  end
  for key, value in pairs(class.forbidden) do
    if holds(pool.labels, key, value) then return { stage = 'selector' } end
  end
  local score = 0
  for _, taint in ipairs(pool.taints) do
    if not tolerated(class, taint) then
      if taint[3] == 'NoSchedule' then return { stage = 'taints' } end
      score = score - 100
    end
  end
  for key, value in pairs(class.preferred) do
    if holds(pool.labels, key, value) then score = score + 10 end
  end
  if pool.admission == 'vram' and (class.vram_mb == 0 or class.vram_mb > pool.biggest) then
    return { stage = 'vram' }
  end
  return { version = version, score = score }
end

-- Gives { version, score }, or { stage } that says at which stage the pool falls out.
function fit.verdict(u, pool_id, class_id)
  local of_pool = fit_cache[pool_id]
  local verdict = of_pool and of_pool[class_id]
  if verdict then return verdict end
  local pool, class = fit.pool(u, pool_id), fit.class(u, class_id)
  if not pool or not class then return { stage = 'capability' } end
  verdict = judge(pool, class)
  if fit_count >= CACHED_FITS then fit_cache, fit_count = {}, 0 end
  if not fit_cache[pool_id] then fit_cache[pool_id] = {} end
  fit_cache[pool_id][class_id], fit_count = verdict, fit_count + 1
  return verdict
end

function fit.fits(u, pool_id, class_id)
  local verdict = fit.verdict(u, pool_id, class_id)
  return verdict.version ~= nil and verdict or nil
end
