"""What `dragoman check` asks a model, how it judges the answers, and how it keeps to its budget."""
