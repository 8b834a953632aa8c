-- Asks the hub whether a request may go on to an app, and as whom (GET /auth/verify).
-- Sets, for the rest of the rules: txn.hub_status (0: the hub did not answer), txn.hub_location, and for a request that
-- may go on txn.hub_session, txn.hub_user, txn.hub_sid, txn.hub_position (empty where nobody is signed in).
-- From the environment: HUB_ADDRESS, HUB_VERIFY_KEY. HAProxy >= 2.6 (core.httpclient).

local address, key = os.getenv("HUB_ADDRESS"), os.getenv("HUB_VERIFY_KEY")
local about_one_connection = {
  ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
  ["upgrade"] = true, ["content-length"] = true, ["expect"] = true, ["proxy-connection"] = true,
}

local function ask(txn, app)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not about_one_connection[name] and not name:find("^x.hub") and not name:find("^x.forwarded") then
      headers[name] = {}
      for place, value in pairs(values) do headers[name][place + 1] = value end
    end
  end
  headers["x-hub-verify-key"] = { key }
  headers["x-forwarded-for"] = { txn.f:src() }
  headers["x-forwarded-method"] = { txn.f:method() }
  headers["x-forwarded-uri"] = { txn.f:pathq() }
  local url = "http://" .. address .. "/auth/verify?redirect=1&app=" .. app
  return core.httpclient():get{ url = url, headers = headers, timeout = 5000 }
end

local function first(answer, name)
  local values = answer.headers and answer.headers[name]
  return values and values[0] or ""
end

core.register_action("hub_verify", { "http-req" }, function(txn, app)
  local answer = ask(txn, app)
  txn:set_var("txn.hub_status", answer.status or 0)
  txn:set_var("txn.hub_location", first(answer, "location"))
  for _, name in ipairs({ "session", "user", "sid", "position" }) do
    txn:set_var("txn.hub_" .. name, first(answer, "x-hub-" .. name))
  end
end, 1)
