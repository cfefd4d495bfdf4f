-- What is owed, used and in progress; nothing changes but what is past its end. ARGV: 1-3 minute, 4-6 hour.
local minute_rule, hour_rule = rule_at(1), rule_at(4)
local minute, hour = tidy(minute_rule, hour_rule)
if changed then keep(minute, minute_rule, hour, hour_rule) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now))
local used = tonumber(redis.call('HGET', KEYS[2], 't') or 0)
return struct.pack(ANSWER, 1, now, minute.debt, minute.at, minute.weight, hour.debt, hour.at, hour.weight, used,
  redis.call('ZCARD', KEYS[3]), held, lease_end, 0, rebased)
