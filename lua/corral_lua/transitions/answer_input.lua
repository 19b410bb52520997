-- answer_input: a person answers a question of a run. The run's worker is told; a run that
-- is parked for the answer goes into its line at its old place.
-- KEYS  root
-- ARGV  hub, run, request, answer   the answer is JSON
-- GIVES ok | same | conflict (another answer was first) | lapsed | ended | unasked
--       | too_large | unknown
-- AGAIN `same`, and changes nothing

function transitions.answer_input(u, argv)
  local r = unit.run(u, argv[2])
  return { r and questions.answer(u, r, argv[3], argv[4]) or 'unknown' }
end
