"""The small describing model of our own, trained on phantoms from nothing but ImageNet weights."""
