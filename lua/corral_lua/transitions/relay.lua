-- relay: hand ephemeral events on to the hubs that follow their runs, and keep the latest.
-- Changes nothing of a run but for what is kept, and that a part of its answer is out.
-- KEYS  root
-- ARGV  hub, batches...   each: session, run, fence, first, count, chunks, items (JSON list)
-- GIVES per batch: ok | seen | stale | unknown
-- AGAIN a batch whose number was had before is `seen`, and is neither kept nor told

local STRIDE = 7

function transitions.relay(u, argv)
  local verdicts = {}
  for i = 2, #argv, STRIDE do
    verdicts[#verdicts + 1] = ring.add(u, argv[i], argv[i + 1], argv[i + 2],
      tonumber(argv[i + 3]), tonumber(argv[i + 4]), tonumber(argv[i + 5]), argv[i + 6])
  end
  ring.close(u)
  return verdicts
end
