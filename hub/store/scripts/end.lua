-- End sessions of one user, whatever their positions: all that are named, in one act.
-- KEYS: live sids of the user, not-before, channel, then for each session its record and its presence
-- ARGV: reason, 'named' | 'all' | 'due' | 'again', spared sid (with 'all') or not-before as it was (with 'again'),
--       then for each session its sid and sealed ending
-- Answers {'again'} where 'all' does not name exactly the user's live sessions; else {now, how many ended now}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count = (#KEYS - 3) / 2
if ARGV[2] == 'all' then
  local named = { [ARGV[3]] = true }
  for i = 1, count do named[ARGV[2 + 2 * i]] = true end
  for _, sid in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if not named[sid] then return {'again'} end
  end
  redis.call('SET', KEYS[2], now, 'PX', 86400000)
end
if ARGV[2] == 'again' and tonumber(ARGV[3]) > tonumber(redis.call('GET', KEYS[2]) or 0) then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', 86400000)
end
local ended = 0
for i = 1, count do
  local record, sid = KEYS[2 + 2 * i], ARGV[2 + 2 * i]
  local at = redis.call('HMGET', record, 'status', 'expires', 'idle')
  local due = now >= (tonumber(at[2]) or 0) or now >= (tonumber(at[3]) or 0)
  if at[1] ~= 'live' then
    redis.call('ZREM', KEYS[1], sid)
  elseif due or ARGV[2] ~= 'due' then
    redis.call('HSET', record, 'status', 'ended', 'reason', ARGV[1], 'ended', now, 'ending', ARGV[3 + 2 * i])
    redis.call('HDEL', record, 'doc', 'hint')
    redis.call('DEL', KEYS[3 + 2 * i])
    redis.call('ZREM', KEYS[1], sid)
    redis.call('SPUBLISH', KEYS[3], 'e ' .. sid .. ' ' .. now .. ' ' .. ARGV[3 + 2 * i])
    ended = ended + 1
  end
end
return {now, ended}
