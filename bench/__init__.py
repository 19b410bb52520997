"""Measurements, made to be repeated: what is compared is measured in turns within one run.

`python -m bench` runs the cases; `targets.py` says what is promised of them.
"""
