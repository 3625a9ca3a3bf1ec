"""The browser app: the only part of the project that knows Gradio.

``page.build()`` makes the page and what its server keeps, ``launch.launch()`` serves it. One file holds one tab; handlers turn
widget values into arguments, call the pipeline and return figures.
"""
