"""Parts of stage 2 in C."""
