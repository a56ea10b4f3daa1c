"""What an encoder computes with: one runtime a file, found by name, with the facts that a choice and a person need."""
