"""Programs to read and to run: start here after the README."""
