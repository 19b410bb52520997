"""Extractive summaries of text files, section by section, as a Corral workflow."""
