"""How good a voice is: sets of sentences, measures of recordings, results that can be compared.

sets -> (synthesise) -> score by measures -> result.json, items.tsv, report.html -> compare, history
"""
