"""Traffic with the public GPT-SoVITS: recognising its files, taking them in, giving them back."""
