"""Dataset preparation: a list of recordings and texts goes in, a folder of features to train on comes out."""
