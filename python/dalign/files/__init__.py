"""JSONL and Parquet files larger than memory: read in batches, written whole or not at all."""
