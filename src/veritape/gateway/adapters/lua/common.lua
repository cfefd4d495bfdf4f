-- What scripts have in common. KEYS: 1 buckets, 2 month, 3 slots, 4 leases of one subject.
-- The definition is veritape.gateway.shared_state; all numbers are integers below 2^53, which doubles hold exactly.
local EXACT, BACK = 9007199254740991, 5000000

local function text(number)
  return string.format('%.0f', number)
end

-- Division of integers, rounded up.
local function ceil_div(value, divisor)
  local quotient = math.floor(value / divisor)
  if quotient * divisor < value then quotient = quotient + 1 end
  return quotient
end

-- A rule from its gain, weight and cap; nil where the limit does not apply.
local function rule_of(gain, weight, cap)
  if gain == 0 then return nil end
  return {gain = gain, weight = weight, cap = cap}
end

-- The same from three arguments, which are empty then.
local function rule_at(index)
  if ARGV[index] == '' then return nil end
  return rule_of(tonumber(ARGV[index]), tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]))
end

local function bucket_of(value)
  if not value then return {debt = 0, at = 0, weight = 0} end
  local debt, at, weight = string.match(value, '^(%d+),(%d+),(%d+)$')
  return {debt = tonumber(debt), at = tonumber(at), weight = tonumber(weight)}
end

-- Debt at a moment, and the moment it holds for (quota.decay).
local function decayed(bucket, rule, moment)
  local debt = bucket.debt
  if bucket.weight ~= rule.weight and debt > 0 then
    debt = math.min(ceil_div(debt, bucket.weight) * rule.weight, EXACT)
  end
  if moment < bucket.at then return debt, bucket.at end
  local credit = (moment - bucket.at) * rule.gain
  if credit >= debt then return 0, moment end
  return debt - credit, moment
end

local rebased, held, lease_end, changed = 0, 0, 0, false

local function rebase(bucket)
  if bucket.at - now > BACK then
    bucket.at, rebased, changed = now, rebased + 1, true
  end
end

local function owe(bucket, rule, units, moment)
  if not rule then return end
  local debt, at = decayed(bucket, rule, moment)
  bucket.debt, bucket.at, bucket.weight = math.min(debt + units * rule.weight, EXACT), at, rule.weight
end

-- Buckets with the debts of leases that ended; leases that live are counted in `held` (shared_state.tidy).
local function tidy(minute_rule, hour_rule)
  local fields = redis.call('HMGET', KEYS[1], 'minute', 'hour')
  local minute, hour = bucket_of(fields[1]), bucket_of(fields[2])
  rebase(minute)
  rebase(hour)
  local ended = {}
  local leases = redis.call('HGETALL', KEYS[4])
  for index = 1, #leases, 2 do
    local units, moment = string.match(leases[index + 1], '^(%d+),(%d+)')
    units, moment = tonumber(units), tonumber(moment)
    if moment <= now then
      ended[#ended + 1] = {name = leases[index], units = units, moment = moment}
    else
      held = held + units
      if moment > lease_end then lease_end = moment end
    end
  end
  table.sort(ended, function(one, other) return one.moment < other.moment end)
  for _, lease in ipairs(ended) do
    owe(minute, minute_rule, lease.units, lease.moment)
    owe(hour, hour_rule, lease.units, lease.moment)
    redis.call('HDEL', KEYS[4], lease.name)
    changed = true
  end
  return minute, hour
end

-- Microseconds until nothing is owed.
local function full_after(bucket, rule)
  if not rule or bucket.debt == 0 then return 0 end
  return ceil_div(bucket.debt, rule.gain) + math.max(0, bucket.at - now)
end

local function keep(minute, minute_rule, hour, hour_rule)
  local values = {}
  if minute_rule then
    values[#values + 1] = 'minute'
    values[#values + 1] = text(minute.debt) .. ',' .. text(minute.at) .. ',' .. text(minute.weight)
  end
  if hour_rule then
    values[#values + 1] = 'hour'
    values[#values + 1] = text(hour.debt) .. ',' .. text(hour.at) .. ',' .. text(hour.weight)
  end
  if #values == 0 then return end
  redis.call('HSET', KEYS[1], unpack(values))
  local after = math.max(full_after(minute, minute_rule), full_after(hour, hour_rule))
  redis.call('PEXPIRE', KEYS[1], text(ceil_div(after, 1000) + 1000))
end
