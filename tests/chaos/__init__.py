"""Real hubs, workers and a Valkey, disturbed at random; afterwards every line is accounted for."""
