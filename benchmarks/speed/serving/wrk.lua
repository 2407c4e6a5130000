-- Posts the lines of a file, one JSON body each, in their order, and writes one line of JSON when all is done.
--
--   wrk --threads 1 ... --script wrk.lua URL -- BODIES OFFSET REQUESTS
--
-- Begins at line OFFSET and begins anew at the end. Connections take the next line each, so that none sends what another
-- does. Stops after REQUESTS answers, or with 0 only when the time is over.

local ffi = require("ffi")
ffi.cdef("int kill(int pid, int signal); int getpid(void);")
local SIGINT = 2  -- ends wrk as Ctrl-C would: it sums up what it has

local bodies = {}
local next_body
local answers_left

function init(arguments)
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = line
  end
  next_body = tonumber(arguments[2]) % #bodies
  answers_left = tonumber(arguments[3])
  if answers_left == 0 then
    response = nil  -- without a hook, wrk does not copy each reply to Lua
  end
end

function request()
  next_body = next_body % #bodies + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, bodies[next_body])
end

function response()
  answers_left = answers_left - 1
  if answers_left == 0 then
    wrk.thread:stop()
    ffi.C.kill(ffi.C.getpid(), SIGINT)
  end
end

function done(summary, latency)
  local histogram = {}
  for i = 1, #latency do
    local microseconds, count = latency(i)
    histogram[i] = string.format("[%d,%d]", microseconds, count)
  end
  local failed = summary.errors
  io.write(string.format(
    '{"duration_us":%d,"answers":%d,"refused":%d,"timed_out":%d,"broken":%d,"histogram_us":[%s]}\n',
    summary.duration, summary.requests, failed.status, failed.timeout,
    failed.connect + failed.read + failed.write, table.concat(histogram, ",")
  ))
end
