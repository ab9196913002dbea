/**
 * What Redis does for one call, all at once (Redis runs one script at a time).
 * KEYS are the counters. ARGV has four values for each, those that RateLimiterRedis gives to its
 * script: points to take (negative: to give back), the window in seconds, the quota, and the
 * window again.
 * Answers {consumed, milliseconds to the window's end} for each key. If one would go beyond its
 * quota nothing is changed, and that one's `consumed` is what it would have been.
 */
export const TAKE_ALL_OR_NONE = `
local consumed, spent = {}, false
for i, key in ipairs(KEYS) do
  consumed[i] = tonumber(redis.call('GET', key) or '0')
  local points, quota = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 1])
  if points > 0 and consumed[i] + points > quota then spent = true end
end
local answers = {}
for i, key in ipairs(KEYS) do
  local points, quota = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 1])
  local windowMs = 1000 * tonumber(ARGV[4 * i - 2])
  local after = math.max(0, consumed[i] + points)
  local ttl = redis.call('PTTL', key)
  if not spent and after ~= consumed[i] then
    redis.call('INCRBY', key, after - consumed[i])
    if ttl < 0 then redis.call('PEXPIRE', key, windowMs) end
    consumed[i] = after
  elseif spent and after > quota then
    consumed[i] = after
  end
  if ttl < 0 then ttl = windowMs end
  answers[i] = {consumed[i], ttl}
end
return answers`
