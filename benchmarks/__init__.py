"""What is measured and how; `python -m benchmarks` runs it all on one CPU thread and writes a markdown table."""
