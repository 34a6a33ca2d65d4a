"""Tables -> statistics -> figures -> HTML and Markdown. Reads the store only; needs neither torch nor Ray nor
a network.
"""
