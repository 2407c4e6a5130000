"""The model: its bundle, tokenizer, descriptors and engines, shared by serving and training. No HTTP, no database."""
