-- One request (shared_state.ask). ARGV: 1 cost, 2-4 minute, 5-7 hour, 8 month's quota or '', 9 its start, 10 its end,
-- 11 concurrency or '', 12 slot, 13 its longest time, 14 boot or '', 15 what the boot charged.
-- Answer: code (0 denied, 1 admitted, 2 bring the sum, 3 another month), now, minute debt, at, weight, hour debt, at, weight,
-- used, slots, held, lease end, boot's field, clocks rebased.
local cost, boot, mine = tonumber(ARGV[1]), ARGV[14], tonumber(ARGV[15])
if boot ~= '' and (now < tonumber(ARGV[9]) or now >= tonumber(ARGV[10])) then return {3, now} end
local minute_rule, hour_rule = rule_at(2), rule_at(5)
local minute, hour = tidy(minute_rule, hour_rule)

local used, field = 0, 0
if boot ~= '' then
  local month = redis.call('HMGET', KEYS[2], 't', boot)
  if not month[1] then
    if changed then keep(minute, minute_rule, hour, hour_rule) end
    return {2, now}
  end
  used, field = tonumber(month[1]), tonumber(month[2] or 0)
  if mine > field then
    used, field = used + mine - field, mine
    redis.call('HSET', KEYS[2], 't', text(used), boot, text(field))
  end
end

local slots = 0
if ARGV[11] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now))
  slots = redis.call('ZCARD', KEYS[3])
end

local admitted, for_leases = 1, 0
if ARGV[8] ~= '' and used + cost > tonumber(ARGV[8]) then admitted = 0 end
if ARGV[11] ~= '' and slots >= tonumber(ARGV[11]) then admitted = 0 end
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
  if ARGV[11] ~= '' then
    slots = slots + 1
    redis.call('ZADD', KEYS[3], text(now + tonumber(ARGV[13])), ARGV[12])
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
return {admitted, now, minute.debt, minute.at, minute.weight, hour.debt, hour.at, hour.weight, used, slots, held, lease_end,
  field, rebased}
