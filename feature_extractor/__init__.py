"""Raw input to tensors: audio, spectrograms, content features, speaker embeddings, text.

Knows no dataset layout and no training; data preparation and inference both call it.
"""
