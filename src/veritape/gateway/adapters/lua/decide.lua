-- Any request (shared_state.ask): what usual.lua, which read the arguments, has left to decide.
if boot ~= '' and (now < month_start or now >= month_end) then return struct.pack(AGAIN, 3, now) end
local minute_rule, hour_rule = rule_of(minute_gain, minute_weight, minute_cap), rule_of(hour_gain, hour_weight, hour_cap)
local minute, hour = tidy(minute_rule, hour_rule)

local used, field = 0, 0
if boot ~= '' then
  local month = redis.call('HMGET', KEYS[2], 't', boot)
  if not month[1] then
    if changed then keep(minute, minute_rule, hour, hour_rule) end
    return struct.pack(AGAIN, 2, now)
  end
  used, field = tonumber(month[1]), tonumber(month[2] or 0)
  if mine > field then
    used, field = used + mine - field, mine
    redis.call('HSET', KEYS[2], 't', text(used), boot, text(field))
  end
end

local slots = 0
if concurrency >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now))
  slots = redis.call('ZCARD', KEYS[3])
end

local admitted, for_leases = 1, 0
if quota >= 0 and used + cost > quota then admitted = 0 end
if concurrency >= 0 and slots >= concurrency then admitted = 0 end
local charged = {}
for index, pair in ipairs({{minute, minute_rule}, {hour, hour_rule}}) do
  local bucket, rule = pair[1], pair[2]
  if rule then
    local debt, at = decayed(bucket, rule, now)
    if debt + (held + cost) * rule.weight > rule.cap then
      admitted = 0
      if debt + cost * rule.weight <= rule.cap then for_leases = for_leases + 1 else for_leases = -2 end
    end
    charged[index] = {debt = debt + cost * rule.weight, at = at, weight = rule.weight}
  else
    charged[index] = bucket
  end
end

if admitted == 1 then
  minute, hour = charged[1], charged[2]
  keep(minute, minute_rule, hour, hour_rule)
  if boot ~= '' then
    used, field = used + cost, field + cost
    redis.call('HSET', KEYS[2], 't', text(used), boot, text(field))
  end
  if concurrency >= 0 then
    slots = slots + 1
    redis.call('ZADD', KEYS[3], text(now + slot_us), slot)
    local latest = tonumber(redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2])
    redis.call('PEXPIREAT', KEYS[3], text(ceil_div(latest, 1000) + 1000))
  end
elseif changed then
  keep(minute, minute_rule, hour, hour_rule)
end
if for_leases > 0 then  -- others' leases alone refuse: their holders see this and give back (GW-308)
  redis.call('HSET', KEYS[1], 'recall', text(now))
  redis.call('PEXPIRE', KEYS[1], 10000, 'NX')
end
return struct.pack(ANSWER, admitted, now, minute.debt, minute.at, minute.weight, hour.debt, hour.at, hour.weight, used, slots,
  held, lease_end, field, rebased)
