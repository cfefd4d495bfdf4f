-- Add units that were admitted without the store to the debts, at most to the caps. ARGV: 1-3 minute, 4-6 hour, 7 and 8 mu.
local minute_rule, hour_rule = rule_at(1), rule_at(4)
local minute, hour = tidy(minute_rule, hour_rule)

local function add(bucket, rule, units)
  if not rule then return end
  local debt, at = decayed(bucket, rule, now)
  bucket.debt, bucket.at, bucket.weight = math.max(debt, math.min(rule.cap, debt + units * rule.weight)), at, rule.weight
end

add(minute, minute_rule, tonumber(ARGV[7]))
add(hour, hour_rule, tonumber(ARGV[8]))
keep(minute, minute_rule, hour, hour_rule)
return {1, now}
