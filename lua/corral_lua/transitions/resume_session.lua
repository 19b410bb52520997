-- resume_session: a later Hello of a process, on any hub.
-- Also makes a session anew that the store has forgotten, when it lost its last writes;
-- allowed when memory is full, as what the worker holds must be able to end.
-- KEYS  root
-- ARGV  as open_session
-- GIVES as open_session
-- AGAIN as open_session

function transitions.resume_session(u, argv)
  return opening.open(u, argv, false)
end
