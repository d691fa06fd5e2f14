-- Counts one request in every bucket of KEYS, or in none of them if one is full.
-- A bucket is a sorted set of the requests of its window by their time.
-- ARGV: the request's own name, the ms of a burst, then for each bucket its maximum, its burst and its window in ms.
-- Answers for each bucket: requests in the window, ms until one is admitted, ms until a place is free.
local request, burst_ms = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- ms until the request at this place, counted from the oldest, is so long ago; 0 if there is none.
local function left(key, place, span)
  if place < 0 then return 0 end
  local found = redis.call('ZRANGE', key, place, place, 'WITHSCORES')
  if not found[2] then return 0 end
  return math.max(0, found[2] + span - now)
end

local answer, is_full = {}, false
for i, key in ipairs(KEYS) do
  local max, burst, window = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  -- After the clock was set back, what lies in its future counts as now.
  for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. now, '+inf')) do
    redis.call('ZADD', key, now, ahead)
  end
  local taken = redis.call('ZCARD', key)
  local wait = math.max(left(key, taken - max, window), left(key, taken - burst, burst_ms))
  is_full = is_full or wait > 0
  answer[i] = {taken, wait, math.max(wait, left(key, 0, window))}
end
if is_full then return answer end

for i, key in ipairs(KEYS) do
  local window = tonumber(ARGV[3 * i + 2])
  redis.call('ZADD', key, now, request)
  redis.call('PEXPIRE', key, window)
  answer[i] = {answer[i][1] + 1, 0, left(key, 0, window)}
end
return answer
