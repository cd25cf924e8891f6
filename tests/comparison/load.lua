-- What wrk sends: $TASK is me, login or refresh; $TOKENS is a file with a token a line. The last line
-- says: requests, seconds, failures, and the 99th percentile of the latency in microseconds. With $PAUSE each
-- connection rests some $PAUSE milliseconds between two requests.
local task = os.getenv("TASK")
local tokens, first, last = {}, 1, 0
for line in io.lines(os.getenv("TOKENS")) do last = last + 1; tokens[last] = line end

-- Without a function `request` wrk sends the same bytes again and again.
if task == "me" then
  wrk.headers["Authorization"] = "Bearer " .. tokens[1]
else
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = '{"username":"alice","password":"correct horse"}'
end

-- Each token is used once: the one in the answer is for a later request.
if task == "refresh" then
  function request()
    local token = tokens[first] or "none is left"
    tokens[first] = nil
    first = first + 1
    return wrk.format(nil, nil, nil, '{"refresh":"' .. token .. '"}')
  end

  function response(status, headers, body)
    local token = status == 200 and body:match('"refresh"%s*:%s*"([^"]+)"')
    if token then last = last + 1; tokens[last] = token end
  end
end

local pause = tonumber(os.getenv("PAUSE") or "0")
if pause > 0 then
  -- Spread, so that they do not come all at once.
  function delay() return pause * (0.5 + math.random()) end
end

function done(summary, latency)
  local e = summary.errors
  local failures = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("%d %.6f %d %.0f\n", summary.requests, summary.duration / 1e6, failures, latency:percentile(99)))
end
