"""The lesson: eight steps of two minutes each that ask for a guess and then show what was measured.

``steps`` holds every word as data, ``measured`` turns a run into the numbers of a step, ``record`` runs the sample packs and keeps
those numbers in ``recorded.json``, ``told`` fills the words in for the page, the printed sheet and the documentation.
"""
