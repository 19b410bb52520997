"""Who may call a hub, as what, and for which namespace."""
