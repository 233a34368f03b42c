"""Anthropic's Messages as a dialect of the server: programs written for Claude use any provider."""
