"""Figures: every module has ``info(run or arrays, ...) -> Info`` (computes) and ``figure(info, dark=False)`` (only draws).

They take finished values, return Plotly figures, and know nothing of models, files or the page they appear on.
"""
