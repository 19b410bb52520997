-- check: the invariants of a namespace, by name. Reads only; walks everything, so it is
-- for tests and for an operator's quiet moment.
-- KEYS  root
-- ARGV  hub
-- GIVES per broken invariant: its name, what breaks it
-- AGAIN reads again

function transitions.check(u)
  return invariants.all(u)
end
