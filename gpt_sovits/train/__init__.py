"""Training of both stages, and of the content encoder, on prepared folders; imported by front ends only when asked to.

`train_s1` is in `gpt_sovits.train.s1`, `train_s2` in `gpt_sovits.train.s2`.
"""
