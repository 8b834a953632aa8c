-- Put another wrapping of the same data key in the place of the one that was read, and nowhere else.
-- KEYS: record
-- ARGV: wrapped data key as it was read, the new one
-- Answers 1 where it was replaced, 0 where the record is gone or has another one by now.
if redis.call('HGET', KEYS[1], 'dek') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'dek', ARGV[2])
return 1
